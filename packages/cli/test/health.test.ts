import { chmodSync, copyFileSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { CreateIdentityOptions } from "@authmesh/keystore";
import { describe, expect, it, onTestFinished } from "vitest";
import { SoftHsm, softHsmModule } from "../../keystore/test/softhsm.js";
import { StandInEnclave } from "../../keystore/test/stand-in-enclave.js";
import { SoftwareTpm } from "../../keystore/test/swtpm.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

/** A machine that gives no cause for a warning by itself: nothing generated its passphrase. */
async function newMachine(
  friendlyName: string,
  options: Partial<CreateIdentityOptions> = {},
): Promise<TestMachine> {
  const machine = new TestMachine();
  onTestFinished(() => machine.remove());
  machine.env["AUTH_MESH_PASSPHRASE"] = "kept elsewhere";
  await machine.init(friendlyName, options);
  return machine;
}

const listOf = (machine: TestMachine) => join(machine.dir, "allow_list.json");

/** A relay's /health with a clock that is off by so many seconds. */
async function startHealth(offSeconds: number): Promise<string> {
  const server = createServer((_, response) =>
    response.end(JSON.stringify({ time: Date.now() + offSeconds * 1000 })),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
}

describe("amesh status", () => {
  it("says in words how the machine stands", async () => {
    const machine = await newMachine("api", { audience: ["api.example.com"] });
    const { deviceId: controller } = await machine.trust("the controller");
    const { status, stdout, stderr } = await machine.run(["status"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^ {2}Device ID {5}: am_/);
    expect(stdout).toContain("  Friendly Name : api\n");
    expect(stdout).toMatch(/\n {2}Protection {4}: .*Argon2id.*passphrase/);
    expect(stdout).toContain("  Audience      : api.example.com\n");
    expect(stdout).toContain(`  Controllers   : "the controller" (${controller}) (at most 1)\n`);
    expect(stdout).toContain("  Relay         : ws://127.0.0.1:9/ws (AMESH_RELAY_URL)\n");
  });

  it("begins with what needs attention and how it is mended", async () => {
    const machine = await newMachine("api");
    const { deviceId: pending } = await machine.trust("the controller", { status: "pending" });
    chmodSync(machine.dir, 0o755);
    const { status, stdout } = await machine.run(["status"]);
    expect(status).toBe(0);
    const [warnings = ""] = stdout.split("\n\n");
    expect(warnings).toMatch(/^WARN {2}No audience is set/);
    expect(warnings).toContain(`amesh revoke ${pending}`);
    expect(warnings).toContain(`chmod go= ${machine.dir}`);
    const document = documentOf(await machine.run(["status", "--json"]));
    expect(document.warnings.map(({ verdict }: { verdict: string }) => verdict)).toEqual([
      "WARN",
      "WARN",
      "WARN",
    ]);
    expect(document).toMatchObject({ controllers: [], targets: [], pending: [{ deviceId: pending }] });
  });

  it("asks no audience of a machine that only calls, and takes the one of the environment", async () => {
    const machine = await newMachine("api");
    const env = { AMESH_AUDIENCE: "a.example, b.example" };
    expect(documentOf(await machine.run(["status", "--json"], { env }))).toMatchObject({
      warnings: [],
      audience: ["a.example", "b.example"],
    });
    await machine.trust("the target", { role: "target" });
    expect(documentOf(await machine.run(["status", "--json"])).warnings).toEqual([]);
  });

  it("says what is wrong with a relay's URL, and how one is written", async () => {
    const machine = await newMachine("api", { audience: ["api.example.com"] });
    const env = { AMESH_RELAY_URL: "localhost" };
    const { status, stdout } = await machine.run(["status"], { env });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^WARN {2}AMESH_RELAY_URL: .*\n {6}Write ws:\/\/HOST:3001\/ws/);
    const result = await machine.run(["doctor"], { env });
    expect(result.stdout).toMatch(/FAIL {2}Relay .*\(invalid_option\)\n +Write ws:/);
  });

  it("fails for a list that cannot be trusted, and still says who this is", async () => {
    const machine = await newMachine("api");
    rmSync(listOf(machine));
    const { status, stdout } = await machine.run(["status"]);
    expect(status).toBe(1);
    expect(stdout).toMatch(/^FAIL {2}There is no .*allow_list.json\.\n {6}.*amesh repair --new-list/);
    expect(stdout).toContain("  Friendly Name : api\n");
  });

  it("says who this is and where the key is while the key store is away", async () => {
    const { env } = await SoftwareTpm.start(onTestFinished);
    const machine = await newMachine("api", { env });
    const { status, stdout, stderr } = await machine.run(["status"]);
    expect({ status, stderr }).toEqual({ status: 1, stderr: "Next: amesh doctor\n" });
    expect(stdout).toMatch(
      /^FAIL {2}Key store: .*no \/nowhere\/tpmrm0\. \(key_store_unavailable\)\n {6}Switch the TPM on.*\nSKIP {2}The allow list is not checked/,
    );
    for (const row of ["Device ID     : am_", "Friendly Name : api\n", "Backend       : TPM 2.0\n"])
      expect(stdout).toContain(`  ${row}`);
    expect(stdout).toMatch(/\n {2}Protection {4}: The key was made in the TPM/);
    expect(stdout).not.toContain("Controllers");
    const document = documentOf(await machine.run(["status", "--json"]));
    expect(document).toMatchObject({
      warnings: [{ verdict: "FAIL" }, { verdict: "SKIP" }],
      device: { friendlyName: "api", backend: "tpm" },
      keyStore: { name: "tpm", label: "TPM 2.0" },
    });
    expect(document).not.toHaveProperty("controllers");
  });

  it("asks for no PIN, even of a person, and says that the list is not checked", async () => {
    const softHsm = SoftHsm.start(onTestFinished);
    const token = softHsm.token();
    const machine = new TestMachine();
    onTestFinished(() => machine.remove());
    const where = ["--backend", "pkcs11", "--module", softHsmModule];
    await machine.succeed(["init", ...where], { env: { ...softHsm.env, ...token.env } });
    const { status, screen } = await machine.runInTerminal(["status"], [], softHsm.env);
    expect(status).toBe(4);
    expect(screen).toMatch(/SKIP.*Key store: .*\(pin_missing\)[\s\S]*The allow list is not checked/);
    expect(screen).toContain("Backend       : PKCS#11 token\n");
    expect(screen).not.toContain("PIN of the token");
  });

  it("warns of a passphrase that was generated and lies beside the key, and says against whom that is none", async () => {
    const machine = new TestMachine();
    onTestFinished(() => machine.remove());
    await machine.init("api", { audience: ["api.example.com"] });
    const { status, stdout } = await machine.run(["status"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^WARN {2}The generated passphrase .*passphrase: that does not protect against whoever can read the folder.*\n {6}.*AMESH_PASSPHRASE_FILE/,
    );
    const { stdout: doctor } = await machine.succeed(["doctor", "--offline"]);
    expect(doctor).toMatch(
      /\nWARN {2}Key store +Encrypted file: .* ms a signature.*\n +The generated passphrase /,
    );
    const elsewhere = join(machine.folder, "elsewhere");
    renameSync(join(machine.dir, "passphrase"), elsewhere);
    const env = { AMESH_PASSPHRASE_FILE: elsewhere };
    expect(documentOf(await machine.run(["status", "--json"], { env })).warnings).toEqual([]);
    chmodSync(elsewhere, 0o444);
    const exposed = await machine.succeed(["doctor", "--offline"], { env });
    expect(exposed.stdout).toMatch(
      /\nWARN {2}Permissions +\S+elsewhere: everybody can read it \(mode 0444\), and AMESH_PASSPHRASE_FILE names it\.\n +chmod o= /,
    );
  });
});

/** Verdicts by the names of the checks. */
async function verdicts(machine: TestMachine, ...args: string[]) {
  const result = await machine.run(["doctor", "--json", ...args]);
  const { healthy, checks } = documentOf(result);
  expect(result.status).toBe(healthy ? 0 : 1);
  return Object.fromEntries(checks.map(({ check, verdict }: Record<string, string>) => [check, verdict]));
}

const allWell = {
  "Node.js": "OK",
  Identity: "OK",
  Permissions: "OK",
  "Key store": "OK",
  Migration: "OK",
  "Allow list": "OK",
  Audience: "OK",
  Relay: "OK",
  Clock: "OK",
};

describe("amesh doctor", () => {
  it("finds nothing on a machine that is well", async () => {
    const machine = await newMachine("api", { audience: ["api.example.com"] });
    const relay = await startHealth(0);
    expect(await verdicts(machine, "--relay", relay)).toEqual(allWell);
    const { status, stdout, stderr } = await machine.run(["doctor", "--relay", relay]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines).toHaveLength(9);
    for (const line of lines) expect(line).toMatch(/^OK {4}[A-Z]/);
    expect(stdout).toMatch(/\d ms a signature/);
  });

  it.each([
    [-12.5, "WARN", 0],
    [12.5, "WARN", 0],
    [45.5, "FAIL", 1],
  ])("measures the clock against the relay's: %d s", async (off, verdict, status) => {
    const machine = await newMachine("api", { audience: ["api.example.com"] });
    const result = await machine.run(["doctor", "--relay", await startHealth(off)]);
    expect(result.status).toBe(status);
    const direction = off > 0 ? "behind" : "ahead of";
    expect(result.stdout).toMatch(
      new RegExp(`${verdict}  Clock +${Math.floor(Math.abs(off))}\\.\\d s ${direction} the relay's`),
    );
    expect(result.stdout).toContain("timedatectl");
  });

  it("fails for a relay that was named and is not there, or is none", async () => {
    const machine = await newMachine("api");
    const expected = { ...allWell, Audience: "WARN", Relay: "FAIL", Clock: "SKIP" };
    expect(await verdicts(machine)).toEqual(expected);
    const server = createServer((_, response) => response.end("<html>"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    expect(await verdicts(machine, "--relay", `ws://127.0.0.1:${port}/ws`)).toEqual(expected);
  });

  it("leaves the network alone when told to, and skips what rests on a failure", async () => {
    const machine = new TestMachine();
    onTestFinished(() => machine.remove());
    expect(await verdicts(machine, "--offline")).toEqual({
      ...allWell,
      Identity: "FAIL",
      Permissions: "SKIP",
      "Key store": "FAIL",
      Migration: "SKIP",
      "Allow list": "SKIP",
      Audience: "SKIP",
      Relay: "SKIP",
      Clock: "SKIP",
    });
  });

  it("says before there is an identity which key store amesh init would take, and what the better ones lack", async () => {
    const machine = new TestMachine();
    onTestFinished(() => machine.remove());
    const enclave = new StandInEnclave(onTestFinished).saying({ version: 1, error: { code: "not_signed" } });
    const env = { ...enclave, AMESH_TPM: undefined };
    const { status, stdout } = await machine.run(["doctor", "--offline"], { env });
    expect(status).toBe(1);
    expect(stdout).toMatch(/\nOK {4}Key store +A new key would be in: /);
    expect(stdout).toMatch(/\n +Secure Enclave +not available \(binary not signed\)\n/);
    expect(stdout).toMatch(/\n +Secure Enclave: On a Mac, run /);
    const badly = await machine.run(["doctor", "--offline"], { env: { AMESH_TPM: "swtpm:" } });
    expect(badly.stdout).toMatch(
      /\nFAIL {2}Key store .*AMESH_TPM is no address.*\n +Write \/dev\/tpmrm0, swtpm:/,
    );
    expect(badly.stdout).not.toContain("Run `amesh doctor`");
  });

  it("names the hardware that holds the key, and fails where it is away", async () => {
    const { env } = await SoftwareTpm.start(onTestFinished);
    const machine = await newMachine("api", { env });
    const here = await machine.run(["doctor", "--offline"], { env });
    expect(here.status).toBe(0);
    expect(here.stdout).toMatch(
      /OK {4}Key store +TPM 2\.0, IBM \(SW TPM\), firmware [0-9.]+: [0-9.]+ ms a signature/,
    );
    const away = await machine.run(["doctor", "--offline"]);
    expect(away.status).toBe(1);
    expect(away.stdout).toMatch(
      /FAIL {2}Key store .*no \/nowhere\/tpmrm0\. \(key_store_unavailable\)\n +Switch the TPM on/,
    );
  });

  it("says of the Secure Enclave what it needs, and that nobody has tried it on a Mac", async () => {
    const { env } = new StandInEnclave(onTestFinished);
    const machine = await newMachine("mac", { env });
    const here = await machine.run(["doctor", "--offline"], { env });
    expect(here.status).toBe(0);
    expect(here.stdout).toMatch(
      /OK {4}Key store +Secure Enclave, helper 1\.0 \(needs macOS and a signed build; .* not tested on a Mac\): /,
    );
    const away = await machine.run(["doctor", "--offline"]);
    expect(away.stdout).toMatch(/FAIL {2}Key store .*needs macOS\. \(key_store_unavailable\)/);
  });

  it("fails for a passphrase that does not fit", async () => {
    const machine = await newMachine("api");
    const result = await machine.run(["doctor", "--offline"], { env: { AUTH_MESH_PASSPHRASE: "wrong" } });
    expect(result.status).toBe(1);
    expect(result.stdout).toMatch(/FAIL {2}Key store .*\(passphrase_wrong\)\n +Check AUTH_MESH_PASSPHRASE/);
    expect(result.stderr).toContain("amesh doctor");
  });

  it.each([
    ["is gone", "key_not_found", (key: string) => rmSync(key)],
    ["is damaged", "key_store_damaged", (key: string) => writeFileSync(key, "{}")],
  ])("says of a key file that %s that the key store does not work", async (_, code, spoil) => {
    const machine = await newMachine("api");
    spoil(join(machine.dir, "device.key"));
    const result = await machine.run(["doctor", "--offline"]);
    expect(result.status).toBe(1);
    expect(result.stdout).toMatch(/OK {4}Identity +"api"/);
    expect(result.stdout).toMatch(new RegExp(`FAIL {2}Key store .*\\(${code}\\)\n.*--replace-lost`));
    expect(result.stdout).toMatch(/SKIP {2}Allow list +The key store has to work first/);
  });

  it("warns of a folder in which nothing can be changed", async () => {
    const machine = await newMachine("api");
    chmodSync(machine.dir, 0o500);
    const result = await machine.run(["doctor", "--offline"], { withoutPrivileges: true });
    expect(result.stdout).toMatch(
      /WARN {2}Permissions +\S+: nothing can be changed in it: permission denied\.\n +chmod u\+rwx /,
    );
    expect(result.status).toBe(0);
    chmodSync(machine.dir, 0o700);
  });

  it("fails for a file that others can reach", async () => {
    const machine = await newMachine("api");
    chmodSync(join(machine.dir, "identity.json"), 0o644);
    const result = await machine.run(["doctor", "--offline"]);
    expect(result.status).toBe(1);
    expect(result.stdout).toMatch(
      /FAIL {2}Permissions .*identity\.json: others can reach it .*\n +chmod go= /,
    );
  });
});

describe("amesh repair", () => {
  it("accepts a list that is older than the last one seen, and no edited one", async () => {
    const machine = await newMachine("api");
    copyFileSync(listOf(machine), join(machine.folder, "backup"));
    await machine.trust("the controller");
    copyFileSync(join(machine.folder, "backup"), listOf(machine));
    expect(await machine.run(["list"])).toEqual({
      status: 1,
      ...failed("allow_list_rollback", "amesh repair --accept"),
    });
    expect(await machine.run(["repair", "--accept"])).toEqual({
      status: 2,
      ...failed("input_required", "--yes"),
    });
    const { accepted } = documentOf(await machine.succeed(["repair", "--accept", "--yes", "--json"]));
    expect(accepted.generation).toBeGreaterThan(2);
    expect(await machine.devices()).toEqual([]);

    writeFileSync(listOf(machine), readFileSync(listOf(machine), "utf8").replace('"devices"', '"Devices"'));
    const edited = await machine.run(["repair", "--accept", "--yes"]);
    expect(edited).toEqual({
      status: 1,
      ...failed("allow_list_integrity_failure", "amesh repair --new-list"),
    });
  });

  it("begins a new list after a question, and keeps the old file", async () => {
    const machine = await newMachine("api");
    writeFileSync(listOf(machine), "not a list");
    const { status, screen } = await machine.runInTerminal(["repair", "--new-list"], [["[y/N] ", "y\n"]]);
    expect(status).toBe(0);
    const [, kept = ""] = /kept as (\S+)\.\n/.exec(screen) ?? [];
    expect(readFileSync(kept, "utf8")).toBe("not a list");
    expect(await machine.devices()).toEqual([]);
  });

  it("wants to be told which way", async () => {
    const machine = await newMachine("api");
    for (const flags of [[], ["--accept", "--new-list"]]) {
      const result = await machine.run(["repair", ...flags]);
      expect(result).toEqual({ status: 2, ...failed("invalid_option", "--accept or --new-list") });
    }
  });
});
