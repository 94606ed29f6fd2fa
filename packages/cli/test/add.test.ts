import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PrivateKey, readPublicKey } from "@authmesh/core";
import { beforeEach, describe, expect, it } from "vitest";
import { newMachine, type TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const { publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const pem = publicKey.export({ type: "spki", format: "pem" }) as string;
const { deviceId, base64 } = readPublicKey(pem);

let machine: TestMachine;
let file: string;
beforeEach(async () => {
  machine = await newMachine("api");
  file = join(machine.folder, "key.pem");
  writeFileSync(file, pem);
});

describe("amesh add", () => {
  it("adds a controller by its key in a file", async () => {
    const args = ["add", "--name", "billing", "--public-key", file, "--yes"];
    const { stdout, stderr } = await machine.succeed(args);
    expect(stdout).toBe(`✔ "billing" (${deviceId}) added as controller.\n`);
    expect(stderr).toBe("Next: amesh list\n");
    expect(await machine.devices()).toEqual([
      {
        deviceId,
        publicKey: base64,
        friendlyName: "billing",
        role: "controller",
        status: "active",
        addedAt: expect.any(Number),
        addedBy: "manual",
        bound: false,
      },
    ]);
  });

  it("takes the key from standard input, and limits from flags", async () => {
    const limits = [
      "--role",
      "controller",
      "--scope",
      "orders:r",
      "--scope",
      "builds:rw",
      "--expires",
      "90d",
    ];
    const args = ["add", "--name", "ci", "--public-key", "-", ...limits, "--yes"];
    const { added } = documentOf(await machine.succeed([...args, "--json"], { input: base64 }));
    expect(added).toMatchObject({ deviceId, scopes: { orders: "r", builds: "rw" } });
    expect(added.expiresAt - added.addedAt).toBe(90 * 86_400);
    expect((await machine.succeed(args, { input: pem })).stdout).toMatch(
      /Scopes: orders:r,builds:rw\. Expires 20/,
    );
  });

  it("shows the id and asks", async () => {
    const args = ["add", "--name", "billing", "--public-key", file, "--role", "target"];
    const question = `Add "billing" (${deviceId}) as target? [y/N] `;
    const no = await machine.runInTerminal(args, [[question, "n\n"]]);
    expect(no.status).toBe(1);
    expect(no.screen).toContain("(declined)");
    expect(await machine.devices()).toEqual([]);
    const yes = await machine.runInTerminal(args, [[question, "y\n"]]);
    expect(yes.status).toBe(0);
    expect(await machine.devices()).toMatchObject([{ deviceId, role: "target" }]);
  });

  it("does nothing where nobody can be asked", async () => {
    const result = await machine.run(["add", "--name", "x", "--public-key", "-"], { input: pem });
    expect(result).toEqual({ status: 2, ...failed("input_required", "--yes") });
    expect(await machine.devices()).toEqual([]);
  });

  it("adds no controller beyond the limit, unless it may take another's place", async () => {
    const present = await machine.trust("Dev Laptop");
    const args = ["add", "--name", "billing", "--public-key", file];
    expect(await machine.run([...args, "--yes"])).toEqual({
      status: 1,
      ...failed("controller_limit_reached", "--replace"),
    });
    expect(await machine.devices()).toEqual([present]);
    const questions = [
      ["Add ", "y\n"],
      [`Let it take the place of "Dev Laptop" (${present.deviceId})? [y/N] `, "y\n"],
    ] as const;
    expect((await machine.runInTerminal(args, questions)).status).toBe(0);
    expect(await machine.devices()).toMatchObject([{ deviceId }]);
    await machine.trust("Dev Laptop", { replace: true });
    await machine.succeed([...args, "--yes", "--replace"]);
    expect(await machine.devices()).toMatchObject([{ deviceId }]);
  });

  it("does not undo a revocation", async () => {
    const { publicKey } = PrivateKey.generate();
    await machine.trust("lost", { publicKey });
    await machine.succeed(["revoke", "lost", "--yes"]);
    const args = ["add", "--name", "lost", "--public-key", "-", "--yes"];
    const again = await machine.run(args, { input: publicKey.base64 });
    expect(again).toEqual({ status: 3, ...failed("device_revoked", "pair the machines again") });
  });

  const name = ["--name", "x"];
  const key = ["--public-key", "-"];
  it.each([
    ["no name", key, pem, "invalid_option"],
    ["no key", name, pem, "invalid_option"],
    ["a role that does not exist", [...name, ...key, "--role", "admin"], pem, "invalid_option"],
    ["a scope that is none", [...name, ...key, "--scope", "orders"], pem, "invalid_scope"],
    ["an expiry that is none", [...name, ...key, "--expires", "soon"], pem, "invalid_option"],
    ["what is not a key", [...name, ...key], "not a key", "invalid_public_key"],
    ["an empty input", [...name, ...key], "", "invalid_public_key"],
    ["an input that does not end", [...name, "--public-key", "/dev/zero"], "", "invalid_option"],
  ])("refuses %s", async (_, args, input, code) => {
    const result = await machine.run(["add", ...args, "--yes", "--json"], { input });
    expect(result.status).toBe(2);
    expect(documentOf(result).error.code).toBe(code);
  });

  it("says which file cannot be read", async () => {
    const result = await machine.run([
      "add",
      ...name,
      "--public-key",
      join(machine.folder, "absent"),
      "--yes",
    ]);
    expect(result).toEqual({ status: 1, ...failed("storage_failed", "Check the path") });
    expect(result.stderr).toContain("ENOENT");
  });
});
