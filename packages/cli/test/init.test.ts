import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
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

/** Detection as on a machine for which nobody has said where its TPM is. */
const undecided = { AMESH_TPM: undefined };
const encryptedFile = ["--backend", "encrypted-file"];

const identityOf = (machine: TestMachine) =>
  JSON.parse(readFileSync(join(machine.dir, "identity.json"), "utf8"));

describe("amesh init", () => {
  it("makes an identity and says what it made", async () => {
    const machine = newMachine();
    const { status, stdout, stderr } = await machine.run(["init", "--name", "My Laptop"], { env: undecided });
    const { deviceId, publicKey } = identityOf(machine);
    expect(status).toBe(0);
    expect(stdout.replace(/(TPM 2\.0 +not available) \(.*\)/, "$1 (…)")).toBe(`Generating P-256 keypair...

Detecting key storage backend:
  Secure Enclave    not available (needs macOS)
  Secret Service    not tried (ask for it with --backend keychain)
  TPM 2.0           not available (…)
  PKCS#11 token     not tried (ask for it with --backend pkcs11)
  Encrypted file    selected

Selected: Encrypted file (works everywhere)

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
    expect(stdout).toContain(`\nSelected: TPM 2.0 (${env.AMESH_TPM.replace(/^unix:/, "")})\n`);
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
    expect(stdout).toContain("Detecting key storage backend:\n  Secure Enclave    selected\n\nSelected: ");
    expect(stderr).toBe("");
    const { stdout: status } = await machine.succeed(["status"], { env });
    expect(status).toMatch(/\n {2}Protection {4}: The key was made in the Mac's Secure Enclave/);
    const unsigned = { ...enclave.saying({ version: 1, error: { code: "not_signed" } }), ...undecided };
    const other = await newMachine().succeed(["init"], { env: unsigned });
    expect(other.stdout).toContain("\n  Secure Enclave    not available (binary not signed)\n");
    const forced = await newMachine().run(["init", "--backend", "secure-enclave"]);
    expect(forced).toEqual({ status: 1, ...failed("key_store_unavailable", "choose another --backend") });
  });

  it.each([
    ["/nowhere/tpmrm0", "no /nowhere/tpmrm0", "Switch the TPM on"],
    ["swtpm:", 'AMESH_TPM is no address: "swtpm:"', "Write /dev/tpmrm0, swtpm:HOST:PORT or unix:/PATH"],
    ["swtpm:127.0.0.1:1", "nothing listens at 127.0.0.1:1", "Start the TPM that AMESH_TPM names"],
  ])(
    "takes no weaker key store in the place of the TPM that AMESH_TPM=%s asks for",
    async (tpm, why, mend) => {
      const machine = newMachine();
      const env = { AMESH_TPM: tpm };
      const { status, stdout, stderr } = await machine.run(["init"], { env });
      expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
      expect(stderr).toContain(
        `AMESH_TPM is set, and TPM 2.0 cannot be used here: ${why}. (key_store_unavailable)`,
      );
      expect(stderr).toMatch(new RegExp(`hint: ${mend}.*--backend encrypted-file`));
      expect(existsSync(machine.dir)).toBe(false);
      const forced = await machine.run(["init", "--backend", "tpm"], { env });
      expect(forced.stderr).toContain(mend);
      const { stdout: made } = await machine.succeed(["init", ...encryptedFile], { env });
      expect(made).toContain("\nSelected: Encrypted file (asked for; works everywhere)\n");
    },
  );

  it("does not overwrite", async () => {
    const machine = newMachine();
    await machine.succeed(["init", "--name", "first", ...encryptedFile]);
    const before = identityOf(machine);
    const again = await machine.run(["init", "--name", "second"]);
    expect(again).toEqual({ status: 1, ...failed("identity_exists", "AUTH_MESH_DIR") });
    expect(identityOf(machine)).toEqual(before);
  });

  it("takes the host's name where none is given", async () => {
    const machine = newMachine();
    const { device } = documentOf(await machine.succeed(["init", "--json", ...encryptedFile]));
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
    const { stdout, stderr } = await machine.succeed(["init", "--name", "x", "--json", ...encryptedFile]);
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
    const result = await machine.run(["init", "--json", ...encryptedFile]);
    expect(result.status).toBe(1);
    expect(documentOf(result).error.code).toBe("storage_failed");
  });
});
