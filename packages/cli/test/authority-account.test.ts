import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { isAccountSecret } from "@authmesh/core/enrollment";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf } from "./fixtures/documents.js";

const host = new TestMachine();
const dir = join(host.folder, "authority");
const env = { AMESH_TPM: undefined, NO_COLOR: "1", AUTH_MESH_PASSPHRASE: "correct horse battery staple 9" };
const account = (...args: readonly string[]) => ["authority", "account", ...args, "--dir", dir];

beforeAll(() => host.succeed(["authority", "init", "--dir", dir, "--backend", "encrypted-file"], { env }));
afterAll(() => host.remove());

describe("amesh authority account", () => {
  it("makes an account, its secret alone on standard output, and once", async () => {
    const made = await host.succeed(account("create", "@Acme"), { env });
    expect(made.stdout.trim()).toSatisfy(isAccountSecret);
    expect(made.stderr).toContain("@acme was made. Its secret is good once, until ");
    expect(made.stderr).toContain("Next: amesh onboard @acme --authority URL");
    expect(made.stderr).not.toContain("amesh_once_");

    const taken = await host.run(account("create", "@acme"), { env });
    expect(taken).toMatchObject({ status: 1, stdout: "" });
    expect(taken.stderr).toContain("account_taken");

    const json = account("create", "@other", "--email", "You@Example.com", "--json");
    expect(documentOf(await host.succeed(json, { env }))).toEqual({
      schema: 1,
      account: "@other",
      secret: expect.toSatisfy(isAccountSecret),
      expiresAt: expect.any(Number),
      email: "you@example.com",
    });
  });

  it("writes the secret to a new file that others cannot read, in place of showing it", async () => {
    const file = join(host.folder, "secret");
    const create = (name: string) => [...account("create", name), "--out", file];
    const { stdout, stderr } = await host.succeed(create("@filed"), { env });
    expect(stdout + stderr).not.toContain("amesh_once_");
    expect(readFileSync(file, "utf8").trim()).toSatisfy(isAccountSecret);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await host.run(create("@filed2"), { env })).toMatchObject({ status: 1, stdout: "" });
    const made = documentOf(await host.succeed([...account("list"), "--json"], { env })).accounts;
    expect(made.map(({ name }: { name: string }) => name)).not.toContain("@filed2");
  });

  it("lists accounts, without their secrets", async () => {
    const listed = await host.succeed([...account("list"), "--json"], { env });
    expect(documentOf(listed).accounts).toMatchObject([
      { name: "@acme", status: "waiting", email: null },
      { name: "@filed" },
      { name: "@other", status: "waiting", email: "you@example.com" },
    ]);
    expect((await host.succeed(account("list"), { env })).stdout).toMatch(
      /^ {2}@acme +\[waiting\] +since 20/,
    );
  });

  it("invites an address, and takes that back", async () => {
    const invited = await host.succeed(account("invite", "You@Example.com"), { env });
    expect(invited.stdout).toBe("✔ you@example.com may open one account.\n");
    expect(invited.stderr).toContain("Next: amesh register @NAME --email you@example.com");
    const back = await host.succeed([...account("invite", "you@example.com", "--remove"), "--json"], { env });
    expect(documentOf(back)).toMatchObject({ email: "you@example.com", invited: false });
  });

  it.each([
    ["create", "acme"],
    ["create", "@acme/box"],
    ["create", "@acme2", "--email", "you"],
    ["invite", "you@example.com\nBcc: other@example.com"],
    ["inite", "you@example.com"],
    [],
  ])("does not take %j %j", async (...words) => {
    const run = await host.run([...account(...words), "--json"], { env });
    expect(run.status).toBe(2);
  });

  it("shows its commands, also where a word is misspelt", async () => {
    expect((await host.succeed(["authority", "account", "--help"])).stdout).toContain(
      "amesh authority account COMMAND",
    );
    expect((await host.succeed(["authority", "--help"])).stdout).toContain("account create");
    expect((await host.run(["authority", "account", "creat"])).stderr).toContain(
      "Did you mean `amesh authority account create`?",
    );
    expect((await host.run(["authority", "acount"])).stderr).toContain(
      "Did you mean `amesh authority account`?",
    );
  });
});
