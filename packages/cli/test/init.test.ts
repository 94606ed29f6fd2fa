import { readFileSync, statSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { StandInEnclave } from "../../keystore/test/stand-in-enclave.js";
import { SoftwareTpm } from "../../keystore/test/swtpm.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

function newMachine(): TestMachine {
  const machine = new TestMachine();
  onTestFinished(() => machine.remove());
  return machine;
}

const identityOf = (machine: TestMachine) =>
  JSON.parse(readFileSync(join(machine.dir, "identity.json"), "utf8"));

describe("amesh init", () => {
  it("makes an identity and says what it made", async () => {
    const machine = newMachine();
    const { status, stdout, stderr } = await machine.run(["init", "--name", "My Laptop"]);
    const { deviceId, publicKey } = identityOf(machine);
    expect(status).toBe(0);
    expect(stdout).toBe(`Generating P-256 keypair...

Detecting key storage backend:
  Secure Enclave    not available (needs macOS)
  Secret Service    not tried (ask for it with --backend keychain)
  TPM 2.0           not available (no /nowhere/tpmrm0)
  PKCS#11 token     not tried (ask for it with --backend pkcs11)
  Encrypted file    selected

Identity created.

  Device ID     : ${deviceId}
  Public Key    : ${publicKey.slice(0, 20)}...
  Backend       : Encrypted file
  Friendly Name : My Laptop

Next steps:
  Target:     run \`amesh listen\`, then \`amesh invite\` from your controller
  Controller: run \`amesh listen\` on a target first, then \`amesh invite\` here
`);
    expect(stderr).toMatch(/^amesh: warning: The key is encrypted under a generated passphrase .*\n$/);
  });

  it("takes the TPM where there is one, and needs no passphrase then", async () => {
    const { env } = await SoftwareTpm.start(onTestFinished);
    const machine = newMachine();
    const { stdout, stderr } = await machine.succeed(["init", "--name", "My Laptop"], { env });
    expect(stdout).toMatch(/\n {2}TPM 2\.0 +selected\n/);
    expect(stderr).toBe("");
    const { stdout: status } = await machine.succeed(["status"], { env });
    expect(status).toMatch(/\n {2}Protection {4}: The key was made in the TPM and never leaves it/);
    const beside = [["status"], ["doctor", "--offline"], ["list"]].map((args) => machine.run(args, { env }));
    expect((await Promise.all(beside)).map(({ status }) => status)).toEqual([0, 0, 0]);
  });

  it("takes the Secure Enclave before anything else, and says when its helper is not signed", async () => {
    const enclave = new StandInEnclave(onTestFinished);
    const { env } = enclave;
    const machine = newMachine();
    const { stdout, stderr } = await machine.succeed(["init", "--name", "My Mac"], { env });
    expect(stdout).toContain("Detecting key storage backend:\n  Secure Enclave    selected\n\n");
    expect(stderr).toBe("");
    const { stdout: status } = await machine.succeed(["status"], { env });
    expect(status).toMatch(/\n {2}Protection {4}: The key was made in the Mac's Secure Enclave/);
    const unsigned = enclave.saying({ version: 1, error: { code: "not_signed" } });
    const other = await newMachine().succeed(["init"], { env: unsigned });
    expect(other.stdout).toContain("\n  Secure Enclave    not available (binary not signed)\n");
    const forced = await newMachine().run(["init", "--backend", "secure-enclave"]);
    expect(forced).toEqual({ status: 1, ...failed("key_store_unavailable", "amesh doctor") });
  });

  it("does not overwrite", async () => {
    const machine = newMachine();
    await machine.succeed(["init", "--name", "first"]);
    const before = identityOf(machine);
    const again = await machine.run(["init", "--name", "second"]);
    expect(again).toEqual({ status: 1, ...failed("identity_exists", "AUTH_MESH_DIR") });
    expect(identityOf(machine)).toEqual(before);
  });

  it("takes the host's name where none is given", async () => {
    const machine = newMachine();
    const { device } = documentOf(await machine.succeed(["init", "--json"]));
    expect(device).toMatchObject({ friendlyName: hostname(), deviceId: identityOf(machine).deviceId });
  });

  it("answers in JSON, and seals what it was told", async () => {
    const machine = newMachine();
    const args = ["init", "--name", "api", "--backend", "encrypted-file", "--max-controllers", "3"];
    const hosts = ["--audience", "API.example.com", "--audience", "localhost:3000"];
    const passphrase = { AUTH_MESH_PASSPHRASE: "from elsewhere" };
    const result = await machine.succeed([...args, ...hosts, "--json"], { env: passphrase });
    expect(documentOf(result)).toMatchObject({
      dir: machine.dir,
      device: { friendlyName: "api", backend: "encrypted-file", deviceId: identityOf(machine).deviceId },
      findings: [{ name: "encrypted-file", status: "selected" }],
      audience: ["api.example.com", "localhost:3000"],
      warnings: [],
    });
    const status = documentOf(await machine.succeed(["status", "--json"], { env: passphrase }));
    expect(status).toMatchObject({ maxControllers: 3, audience: ["api.example.com", "localhost:3000"] });
  });

  it("never shows a passphrase, not even the one it generated", async () => {
    const machine = newMachine();
    const { stdout, stderr } = await machine.succeed(["init", "--name", "x", "--json"]);
    const passphrase = readFileSync(join(machine.dir, "passphrase"), "utf8").trim();
    expect(statSync(join(machine.dir, "passphrase")).mode & 0o777).toBe(0o400);
    expect(stdout + stderr).not.toContain(passphrase);
  });

  it.each([
    ["a name that is empty", ["--name", " "], "invalid_name"],
    ["a name that is too long", ["--name", "x".repeat(65)], "invalid_name"],
    ["a key store that does not exist", ["--backend", "paper"], "key_store_unknown"],
    ["no controllers", ["--max-controllers", "0"], "invalid_option"],
    ["too many controllers", ["--max-controllers", "1001"], "invalid_option"],
    ["a number that is none", ["--max-controllers", "1e3"], "invalid_option"],
    ["an audience that is a URL", ["--audience", "https://api.example.com/"], "invalid_option"],
  ])("refuses %s and makes nothing", async (_, args, code) => {
    const machine = newMachine();
    const result = await machine.run(["init", ...args, "--json"]);
    expect(result.status).toBe(2);
    expect(documentOf(result).error.code).toBe(code);
    expect((await machine.run(["list"])).status).toBe(4);
  });

  it("says what is wrong with a folder that cannot be written", async () => {
    const machine = newMachine();
    writeFileSync(machine.dir, "not a folder");
    const result = await machine.run(["init", "--json"]);
    expect(result.status).toBe(1);
    expect(documentOf(result).error.code).toBe("storage_failed");
  });
});
