import { generateKeyPairSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { PrivateKey, readPublicKey } from "@authmesh/core";
import { beforeEach, describe, expect, it } from "vitest";
import { newMachine, type TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const { publicKey: pem } = generateKeyPairSync("ec", {
  namedCurve: "prime256v1",
  publicKeyEncoding: { type: "spki", format: "pem" },
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
});
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
      /✔ "ci" \(am_.{16}\) updated as controller\. Scopes: orders:r,builds:rw\. Expires 20/,
    );
    const { updated } = documentOf(await machine.succeed([...args, "--json"], { input: pem }));
    expect(updated).toMatchObject({ deviceId, friendlyName: "ci" });
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
    const again = await machine.trust("Dev Laptop", { replace: true });
    const { stdout } = await machine.succeed([...args, "--yes", "--replace"]);
    expect(stdout).toContain(
      `\n"Dev Laptop" (${again.deviceId}) was replaced: it may not call this machine any more.\n`,
    );
    expect(await machine.devices()).toMatchObject([{ deviceId }]);
    const last = await machine.trust("Dev Laptop", { replace: true });
    const json = documentOf(await machine.succeed([...args, "--yes", "--replace", "--json"]));
    expect(json).toMatchObject({ added: { deviceId }, replaced: [{ deviceId: last.deviceId }] });
  });

  it("raises the limit of controllers in the write that adds one, and only then", async () => {
    const { deviceId: first } = await machine.trust("Dev Laptop");
    const limit = async () => (await machine.openList()).state;
    const { generation } = await limit();
    const args = ["add", "--name", "billing", "--public-key", file, "--yes"];
    const tooMany = await machine.run([...args, "--max-controllers", "1001"]);
    expect(tooMany).toEqual({ status: 2, ...failed("invalid_option", "--help") });
    expect(await limit()).toMatchObject({ maxControllers: 1, generation });
    const result = documentOf(await machine.succeed([...args, "--max-controllers", "2", "--json"]));
    expect(result.replaced).toBeUndefined();
    expect(await limit()).toMatchObject({ maxControllers: 2, generation: generation + 1 });
    expect((await machine.devices()).map((device) => device.deviceId)).toEqual([first, deviceId]);
    const third = ["add", "--name", "third", "--public-key", "-", "--yes"];
    const key = PrivateKey.generate().publicKey.base64;
    expect((await machine.run(third, { input: key })).status).toBe(1);
    expect((await limit()).maxControllers).toBe(2);
  });

  it("does not undo a revocation", async () => {
    const { publicKey } = PrivateKey.generate();
    await machine.trust("lost", { publicKey });
    await machine.succeed(["revoke", "lost", "--yes"]);
    const args = ["add", "--name", "lost", "--public-key", "-", "--yes"];
    const again = await machine.run(args, { input: publicKey.base64 });
    expect(again).toEqual({ status: 3, ...failed("device_revoked", "pair the machines again") });
  });

  it("adds no machine to its own list", async () => {
    const { publicKey: own } = await machine.open();
    const args = ["add", "--name", "me", "--public-key", "-", "--yes"];
    const result = await machine.run(args, { input: own.base64 });
    expect(result).toEqual({ status: 3, ...failed("pairing_own_key", "key of another machine") });
    expect(await machine.devices()).toEqual([]);
  });

  describe("--replaces", () => {
    const replaces = (id: string, ...more: string[]) =>
      ["add", "--public-key", file, "--replaces", id, ...more] as const;

    it("puts a new key in the place of an old one, for a week beside it, though one controller is the limit", async () => {
      const { deviceId: old } = await machine.trust("ci", { scopes: { orders: "rw" } });
      const { stdout } = await machine.succeed(replaces(old, "--yes"));
      expect(stdout).toMatch(
        `✔ "ci" (${deviceId}) added as controller, in the place of ${old}, which ends 20`,
      );
      const [before, after] = await machine.devices();
      expect(after).toMatchObject({ deviceId, friendlyName: "ci", bound: true, scopes: { orders: "rw" } });
      expect(before?.expiresAt).toBe((after?.addedAt ?? 0) + 7 * 86_400);
      const again = await machine.run(replaces(old, "--yes"));
      expect(again).toEqual({ status: 1, ...failed("device_exists", "amesh list") });
      const revoked = await machine.succeed(["revoke", deviceId, "--yes"]);
      expect(revoked.stdout).toContain(`✔ ${old}, whose place it had taken, revoked too.`);
      expect(await machine.devices()).toEqual([]);
    });

    it("asks, and keeps the old one for as long as it is told", async () => {
      const { deviceId: old } = await machine.trust("ci");
      const question = `Let ${deviceId} take the place of ${old}, which ends by itself on `;
      const no = await machine.runInTerminal(replaces(old), [[question, "n\n"]]);
      expect([no.status, (await machine.devices()).length]).toEqual([1, 1]);
      const keep = ["--keep", "1h", "--name", "ci 2", "--yes", "--json"];
      const { added, replaced } = documentOf(await machine.succeed(replaces(old, ...keep)));
      expect(added).toMatchObject([{ deviceId, friendlyName: "ci 2" }]);
      expect(replaced).toEqual({ deviceId: old, expiresAt: added[0].addedAt + 3600 });
    });

    it.each([
      ["a device nobody knows", ["--replaces", "am_1a2b3c4d5e6f7a8b"], "device_not_found", 1],
      ["a role of its own", ["--replaces", "am_1a2b3c4d5e6f7a8b", "--role", "target"], "invalid_option", 2],
      ["the place of others", ["--replaces", "am_1a2b3c4d5e6f7a8b", "--replace"], "invalid_option", 2],
      ["a time that is none", ["--replaces", "am_1a2b3c4d5e6f7a8b", "--keep", "soon"], "invalid_option", 2],
      ["a time without an old device", ["--name", "x", "--keep", "7d"], "invalid_option", 2],
    ])("refuses %s", async (_, args, code, status) => {
      const result = await machine.run(["add", "--public-key", file, ...args, "--yes", "--json"]);
      expect(result.status).toBe(status);
      expect(documentOf(result).error.code).toBe(code);
    });
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
