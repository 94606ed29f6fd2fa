import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PublicKey } from "@authmesh/core";
import { type Logger, verify } from "@authmesh/sdk";
import { describe, expect, it, onTestFinished } from "vitest";
import { SoftwareTpm } from "../../keystore/test/swtpm.js";
import { bin, newMachine, TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const passphrase = "zwölf Boxkämpfer jagen Viktor";
const env = { AMESH_EXPORT_PASSPHRASE: passphrase };
const vectors = fileURLToPath(new URL("../../keystore/test/vectors", import.meta.url));
const vector = join(vectors, "backup.json");
const vectorEnv = { AMESH_EXPORT_PASSPHRASE: "Übung macht den Meister der Sicherung" };
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** A machine that has nothing yet. */
function emptyMachine(): TestMachine {
  const machine = new TestMachine();
  onTestFinished(() => machine.remove());
  return machine;
}

/** A service that lets one device in, and says who called. */
async function serviceThatKnows(publicKey: string): Promise<string> {
  const service = await newMachine("service");
  await service.trust("the caller", { publicKey: PublicKey.fromBase64(publicKey) });
  const guard = verify({ allowList: await service.openList(), logger: silent });
  const server = createServer((request, response) => guard(request, response, () => response.end("hello")));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

describe("amesh identity export, then import", () => {
  it("brings a machine back elsewhere, asking on a terminal that shows no passphrase", async () => {
    const old = await newMachine("Dev Laptop");
    const { identity } = await old.open();
    const url = await serviceThatKnows(identity.publicKey);
    const file = join(old.folder, "laptop.backup");
    const exported = await old.runInTerminal(
      ["identity", "export", file],
      [
        ["Passphrase of the backup: ", `${passphrase}\r`],
        ["The same again: ", "something else\r"],
        ["not the same.\nPassphrase of the backup: ", `${passphrase}\r`],
        ["The same again: ", `${passphrase}\r`],
      ],
    );
    expect(exported.status).toBe(0);
    expect(exported.screen).toContain(`✔ "Dev Laptop" (${identity.deviceId}) is backed up in ${file}.`);
    expect(exported.screen).toMatch(/\nNext: keep the passphrase elsewhere; .*amesh identity import FILE/);
    expect(statSync(file).mode & 0o777).toBe(0o600);

    const replacement = emptyMachine();
    const imported = await replacement.runInTerminal(
      ["identity", "import", file],
      [["Passphrase of the backup: ", `${passphrase}\r`]],
    );
    expect(imported.status).toBe(0);
    expect(imported.screen).toContain(`✔ "Dev Laptop" (${identity.deviceId}) is back.`);
    expect(imported.screen).toMatch(/\n {2}Backend +: Encrypted file\n/);
    expect(imported.screen).toMatch(
      /warning: A backup holds neither the audience nor the limit of controllers.*amesh listen --audience HOST --max-controllers N/,
    );
    expect(imported.screen).toContain("The machine that the backup came from must not use this identity");
    expect(imported.screen).toMatch(
      /warning: .*take it for a clone.*until a root has looked: `amesh enroll unrevoke ID`/,
    );
    expect(imported.screen).toMatch(/\nNext: amesh status\n$/);
    for (const { screen } of [exported, imported]) expect(screen).not.toContain("Boxk");
    expect((await replacement.open()).identity).toEqual(identity);
    expect(await replacement.succeed(["request", "GET", url])).toMatchObject({ stdout: "hello" });
  });

  it("says nothing of what comes next when the disk is full", async () => {
    const { env: own } = await newMachine("api");
    const script = `"${process.execPath}" "${bin}" identity export - > /dev/full`;
    const options = { encoding: "utf8", env: { ...own, ...env } } as const;
    const { status, stderr } = spawnSync("bash", ["-c", script], options);
    const error = "amesh: error: standard output cannot be written: ENOSPC\n";
    expect({ status, stderr }).toEqual({ status: 1, stderr: error });
  });

  it("goes through a pipe, the passphrase in the environment", async () => {
    const old = await newMachine("api");
    const { stdout, stderr } = await old.succeed(["identity", "export", "-"], { env });
    expect(JSON.parse(stdout)).toMatchObject({ type: "amesh-identity", friendlyName: "api" });
    expect(stderr).toMatch(/^Next: /);
    const machine = emptyMachine();
    await machine.succeed(["identity", "import", "-"], { env, input: stdout });
    expect((await machine.open()).identity).toEqual((await old.open()).identity);
    expect(stdout + stderr).not.toContain("Boxk");
  });
});

describe("amesh identity export", () => {
  it("makes a passphrase up when it is told to, and shows it once, on a terminal alone", async () => {
    const machine = await newMachine("api");
    const file = join(machine.folder, "api.backup");
    const args = ["identity", "export", file, "--generate-passphrase"];
    expect(await machine.run(args)).toEqual({
      status: 2,
      ...failed("input_required", "AMESH_EXPORT_PASSPHRASE_FILE"),
    });
    expect(existsSync(file)).toBe(false);
    const { status, screen } = await machine.runInTerminal(args);
    expect(status).toBe(0);
    const [, made = ""] = /^Passphrase of the backup: (([0-9a-z]{4}-){7}[0-9a-z]{4})\n/m.exec(screen) ?? [];
    expect(screen.split(made)).toHaveLength(2);
    expect(readFileSync(file, "utf8")).not.toContain(made);
    const other = emptyMachine();
    const result = await other.succeed(["identity", "import", file, "--json"], {
      env: { AMESH_EXPORT_PASSPHRASE: made },
    });
    expect(documentOf(result)).toMatchObject({
      dir: other.dir,
      device: { friendlyName: "api", backend: "encrypted-file" },
      exportedAt: expect.any(Number),
      listProblem: null,
      warnings: [{ code: "passphrase_generated" }],
    });
    expect(result.stdout + result.stderr).not.toContain(made);
  });

  it("never overwrites a file", async () => {
    const machine = await newMachine("api");
    const file = join(machine.folder, "precious");
    writeFileSync(file, "precious");
    const refused = await machine.run(["identity", "export", file], { env });
    expect(refused).toEqual({ status: 1, ...failed("storage_failed", "Name a file that is not there yet") });
    expect(readFileSync(file, "utf8")).toBe("precious");
  });

  it("refuses a passphrase that is easy to guess, and does not repeat it", async () => {
    const machine = await newMachine("payments-gateway");
    const file = join(machine.folder, "backup");
    const weak = { AMESH_EXPORT_PASSPHRASE: "payments-gateway-2026" };
    const refused = await machine.run(["identity", "export", file, "--json"], { env: weak });
    expect(refused.status).toBe(2);
    expect(documentOf(refused).error.code).toBe("passphrase_weak");
    expect(refused.stdout + refused.stderr).not.toContain("gateway");
    expect(existsSync(file)).toBe(false);
  });

  it("says where a passphrase may come from when none does", async () => {
    const machine = await newMachine("api");
    const file = join(machine.folder, "backup");
    expect(await machine.run(["identity", "export", file], { input: `${passphrase}\n` })).toEqual({
      status: 4,
      ...failed("passphrase_missing", "Set AMESH_EXPORT_PASSPHRASE_FILE or AMESH_EXPORT_PASSPHRASE."),
    });
    const interrupted = await machine.runInTerminal(["identity", "export", file], [["backup: ", "\u0003"]]);
    expect(interrupted).toMatchObject({ status: 1, screen: expect.stringContaining("(declined)") });
    expect(existsSync(file)).toBe(false);
  });

  it("shows no backup on a terminal, and mixes it with no JSON answer", async () => {
    const machine = await newMachine("api");
    const { status, screen } = await machine.runInTerminal(["identity", "export", "-"], [], env);
    expect(status).toBe(2);
    expect(screen).toContain("(invalid_option)");
    expect(screen).not.toContain("ciphertext");
    expect((await machine.run(["identity", "export", "-", "--json"], { env })).status).toBe(2);
  });

  it("says of a key in a TPM what to do instead", async () => {
    const tpm = await SoftwareTpm.start(onTestFinished);
    const machine = await newMachine("api", { env: tpm.env });
    const file = join(machine.folder, "backup");
    const refused = await machine.run(["identity", "export", file], { env: { ...env, ...tpm.env } });
    expect(refused).toEqual({ status: 1, ...failed("key_not_exportable", "as another controller") });
    expect(existsSync(file)).toBe(false);
  });
});

describe("amesh identity import", () => {
  it("keeps the allow list that is there, which amesh repair --accept takes up", async () => {
    const machine = emptyMachine();
    mkdirSync(machine.dir, { mode: 0o700 });
    cpSync(join(vectors, "identity", "allow_list.json"), join(machine.dir, "allow_list.json"));
    const { stderr } = await machine.succeed(["identity", "import", vector], { env: vectorEnv });
    expect(stderr).toMatch(/The allow list in .* is kept, and nobody in it is let in yet/);
    expect(stderr).toMatch(/\nNext: .*`amesh repair --accept`\.\n$/);
    expect((await machine.run(["list"])).status).toBe(1);
    await machine.succeed(["repair", "--accept", "--yes"]);
    expect((await machine.succeed(["list"])).stdout).toContain("am_A-y0Hy0Le6ayTyT2");
  });

  it("leaves a machine that has an identity as it is", async () => {
    const machine = await newMachine("api");
    const { identity } = await machine.open();
    const refused = await machine.run(["identity", "import", vector], { env: vectorEnv });
    expect(refused).toEqual({ status: 1, ...failed("identity_exists", "AUTH_MESH_DIR") });
    expect((await machine.open()).identity).toEqual(identity);
  });

  it.each([
    ["a wrong passphrase", vector, [], env, "passphrase_wrong", 1],
    ["no passphrase", vector, [], {}, "passphrase_missing", 4],
    ["a file that is no backup", join(vectors, "identity/device.key"), [], vectorEnv, "backup_damaged", 1],
    ["a file that never ends", "/dev/zero", [], vectorEnv, "invalid_option", 2],
    ["a file that is not there", "/nowhere/backup", [], vectorEnv, "storage_failed", 1],
    [
      "a key store that takes no keys in",
      vector,
      ["--backend", "tpm"],
      vectorEnv,
      "key_store_unavailable",
      1,
    ],
    ["a key store that does not exist", vector, ["--backend", "paper"], vectorEnv, "key_store_unknown", 2],
  ])("makes nothing of %s", async (_, file, options, env, code, status) => {
    const machine = emptyMachine();
    const result = await machine.run(["identity", "import", file, ...options, "--json"], { env });
    expect(documentOf(result).error.code).toBe(code);
    expect(result.status).toBe(status);
    expect(readdirSync(machine.folder)).toEqual([]);
  });

  it("does not read a backup from a terminal", async () => {
    const { status, screen } = await emptyMachine().runInTerminal(["identity", "import", "-"]);
    expect(status).toBe(2);
    expect(screen).toContain("(invalid_option)");
  });
});
