import { execFileSync } from "node:child_process";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createSuccession, signableProbe } from "@authmesh/core";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { AllowListFile } from "../src/allow-list-file.js";
import { readUnsealed } from "../src/allow-list-seal.js";
import {
  type AllowListState,
  cancelMigration,
  createIdentity,
  examineLostIdentity,
  finishMigration,
  forgetPrevious,
  openIdentity,
  prepareMigration,
  prepareRotation,
  readMigration,
  replaceLostIdentity,
  revokeDevice,
  takeBackIdentity,
} from "../src/index.js";
import { quoteForShell } from "../src/internal/shell-quote.js";
import { openIdentityOf } from "../src/open-identity.js";
import { SealedFiles } from "../src/sealed-files.js";
import { add, cheap, codeOf, env, newDevice, newIdentity, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { killAtEveryCall } from "./processes/kill-at-every-call.js";
import { SoftwareTpm } from "./swtpm.js";

const stops: (() => void)[] = [];
let tpm: SoftwareTpm;
/** The passphrase of the encrypted file, and a TPM to move to. */
let both: typeof env;
beforeAll(async () => {
  build();
  tpm = await SoftwareTpm.start((stop) => void stops.push(stop));
  both = { ...env, AMESH_TPM: tpm.address };
  return () => {
    for (const stop of stops) stop();
  };
});

const target = newDevice({ friendlyName: "the target" });
const caller = newDevice({ friendlyName: "the caller", role: "controller" });
const outcast = newDevice({ friendlyName: "the outcast", role: "controller" });

/** An identity in an encrypted file that calls one, is called by one, and has revoked one. */
async function newMachine() {
  const open = await newIdentity({ audience: ["api.example.com"], maxControllers: 2 });
  const list = await open.openAllowList();
  for (const device of [target, caller, outcast]) await list.update(add(device));
  await list.update((draft) => revokeDevice(draft, { deviceId: outcast.publicKey.deviceId, now: 1 }));
  return open;
}

const prepare = (dir: string, more: object = {}) =>
  prepareMigration({ dir, env: both, argon2: cheap, ...more });
const finish = (dir: string) => finishMigration({ dir, env: both });
const stateOf = async (dir: string, from: object = both): Promise<AllowListState> =>
  (await (await openIdentity({ dir, env: { ...from } })).openAllowList()).state;
const filesOf = (dir: string) =>
  Object.fromEntries(
    readdirSync(dir, { withFileTypes: true })
      .filter((each) => each.isFile())
      .map(({ name }) => [name, readFileSync(join(dir, name), "utf8")]),
  );
const copyOf = (dir: string) => {
  const copy = join(temporaryFolder(), "amesh");
  cpSync(dir, copy, { recursive: true });
  return copy;
};
/** What a move must not change. */
const kept = ({ devices, revoked, audience, maxControllers }: AllowListState) => ({
  devices,
  revoked,
  audience,
  maxControllers,
});

describe("prepareMigration", () => {
  it("makes a key in the better key store, names who must learn it, and changes nothing else", async () => {
    const { dir, identity } = await newMachine();
    const before = filesOf(dir);
    const made = await prepare(dir, { now: () => 1_770_000_000_000 });
    const next = JSON.parse(readFileSync(join(dir, "identity.next.json"), "utf8"));
    expect(next).toEqual({
      ...identity,
      deviceId: made.next.identity.deviceId,
      publicKey: made.next.identity.publicKey,
      backend: "tpm",
      keyAlias: "device-2",
      createdAt: 1_770_000_000,
    });
    expect(made.targets.map(({ friendlyName }) => friendlyName)).toEqual(["the target"]);
    expect(made.findings.at(-1)).toMatchObject({ name: "tpm", status: "selected" });
    expect(filesOf(dir)).toMatchObject(before);
    expect(readMigration(dir).stage).toBe("prepared");
    expect(await stateOf(dir)).toMatchObject({ devices: [{}, {}] });
  });

  it("says the same when it is called again, with no second key, also when two call at once", async () => {
    const { dir } = await newMachine();
    const made = await Promise.all([prepare(dir), prepare(dir)]);
    const again = await prepare(dir);
    const ids = [...made, again].map(({ next }) => next.identity.deviceId);
    expect(new Set(ids).size).toBe(1);
    expect(readdirSync(dir).filter((name) => name.startsWith("device-"))).toEqual(["device-2.tpm"]);
    expect(await codeOf(() => prepare(dir, { backend: "encrypted-file" }))).toBe("migration_unfinished");
  });

  it("refuses where nothing better is found, or the same is asked for", async () => {
    const { dir } = await newMachine();
    const before = filesOf(dir);
    const undecided = { ...env, AMESH_TPM: undefined };
    await expect(prepareMigration({ dir, env: undecided })).rejects.toMatchObject({
      code: "key_store_in_use",
      message: expect.stringContaining("TPM 2.0: "),
    });
    expect(await codeOf(() => prepareMigration({ dir, env }))).toBe("key_store_unavailable");
    expect(await codeOf(() => prepare(dir, { backend: "encrypted-file" }))).toBe("key_store_in_use");
    expect(await codeOf(() => prepare(dir, { backend: "abacus" }))).toBe("key_store_unknown");
    expect(await codeOf(() => prepareMigration({ dir, env, backend: "tpm" }))).toBe("key_store_unavailable");
    expect(filesOf(dir)).toEqual(before);
  });

  it("rotates to another key in the same key store, or in the one that is named, and goes on with the one it made", async () => {
    const { dir, identity } = await newIdentity();
    const rotate = (options = {}) => prepareRotation({ dir, env: both, argon2: cheap, ...options });
    const { next, open } = await rotate();
    expect(open.identity).toEqual(identity);
    expect(next.identity).toMatchObject({ backend: "encrypted-file", keyAlias: "device-2" });
    expect((await rotate()).next.identity).toEqual(next.identity);
    const { identity: after } = await finishMigration({ dir, env });
    expect(after).toEqual(next.identity);
    expect(await codeOf(rotate)).toBe("migration_unfinished");
    await forgetPrevious({ dir, env });
    const moved = await rotate({ backend: "tpm" });
    expect(moved.next.identity).toMatchObject({ backend: "tpm", keyAlias: "device-3" });
    expect((await rotate()).next.identity).toEqual(moved.next.identity);
  });

  it("never goes to a worse key store by itself, and does when it is told to", async () => {
    const dir = join(temporaryFolder(), "amesh");
    await createIdentity({ friendlyName: "api", dir, env: tpm.env });
    await expect(prepareMigration({ dir, env: tpm.env })).rejects.toMatchObject({ code: "key_store_in_use" });
    const { warnings } = await prepareMigration({
      dir,
      env: tpm.env,
      backend: "encrypted-file",
      argon2: cheap,
    });
    expect(warnings).toMatchObject([{ code: "passphrase_generated" }]);
    await finishMigration({ dir, env: tpm.env });
    expect(readMigration(dir)).toMatchObject({ stage: "finished", current: { backend: "encrypted-file" } });
    expect((await forgetPrevious({ dir, env: tpm.env })).identity.backend).toBe("tpm");
    expect((await stateOf(dir, {})).devices).toEqual([]);
    const back = await prepareMigration({ dir, env: tpm.env });
    expect(back.next.identity.keyAlias).toBe("device-3");
    await finishMigration({ dir, env: tpm.env });
    await forgetPrevious({ dir, env: tpm.env });
    expect(existsSync(join(dir, "passphrase"))).toBe(false);
    expect((await stateOf(dir, tpm.env)).devices).toEqual([]);
  });

  it("needs an identity and a list that are whole", async () => {
    const { dir } = await newMachine();
    const wrong = { ...both, AUTH_MESH_PASSPHRASE: "wrong" };
    expect(await codeOf(() => prepareMigration({ dir, env: wrong }))).toBe("passphrase_wrong");
    writeFileSync(join(dir, "allow_list.json"), "{}");
    expect(await codeOf(() => prepare(dir))).toBe("allow_list_damaged");
    expect(existsSync(join(dir, "identity.next.json"))).toBe(false);
    expect(await codeOf(() => prepare(temporaryFolder()))).toBe("identity_not_found");
  });

  it("shows no key that only stands in a file: one that cannot sign is refused, again and again", async () => {
    const { dir } = await newMachine();
    await prepare(dir);
    const { publicKey } = newDevice();
    const path = join(dir, "identity.next.json");
    const next = JSON.parse(readFileSync(path, "utf8"));
    const { deviceId, base64 } = publicKey;
    writeFileSync(path, JSON.stringify({ ...next, deviceId, publicKey: base64 }));
    for (const act of [prepare, prepare, finish])
      expect(await codeOf(() => act(dir))).toBe("migration_unfinished");
    writeFileSync(path, JSON.stringify({ ...next, keyAlias: "device-7" }));
    for (const act of [prepare, prepare, finish]) expect(await codeOf(() => act(dir))).toBe("key_not_found");
    writeFileSync(path, "{}");
    await expect(prepare(dir)).rejects.toMatchObject({
      code: "identity_damaged",
      fix: expect.stringContaining(path),
    });
    rmSync(path);
    const { warnings } = await prepare(dir);
    expect(warnings).toMatchObject([{ code: "key_adopted" }]);
  });
});

it("shows no key that a key file merely names", async () => {
  const dir = join(temporaryFolder(), "amesh");
  await createIdentity({ friendlyName: "api", dir, env: tpm.env });
  const again = () => prepareMigration({ dir, env: both, backend: "encrypted-file", argon2: cheap });
  const { next } = await again();
  const { publicKey } = newDevice();
  const { deviceId, publicKey: base64 } = next.identity;
  for (const name of ["identity.next.json", "device-2.key"]) {
    const text = readFileSync(join(dir, name), "utf8");
    const planted = text.replaceAll(base64, publicKey.base64).replaceAll(deviceId, publicKey.deviceId);
    writeFileSync(join(dir, name), planted);
  }
  expect(await codeOf(again)).toBe("migration_unfinished");
});

it("goes to no key that the one in use has not named, though it signs, and its list is there", async () => {
  const { dir, identity } = await newMachine();
  const planted = await newIdentity();
  await (await planted.openAllowList()).update(add());
  cpSync(join(planted.dir, "device.key"), join(dir, "device-2.key"));
  const next = { ...planted.identity, keyAlias: "device-2" };
  writeFileSync(join(dir, "identity.next.json"), JSON.stringify(next));
  const asks = { code: "migration_unfinished", message: expect.stringContaining("has not named") };
  await expect(prepare(dir)).rejects.toMatchObject(asks);
  await expect(finish(dir)).rejects.toMatchObject(asks);
  cpSync(join(dir, "identity.json"), join(dir, "identity.previous.json"));
  cpSync(join(planted.dir, "allow_list.json"), join(dir, "allow_list.json"));
  cpSync(join(planted.dir, "device.remembered"), join(dir, "device-2.remembered"));
  await expect(finish(dir)).rejects.toMatchObject(asks);
  writeFileSync(join(dir, "succession.jws"), await createSuccession(planted, planted.publicKey));
  await expect(finish(dir)).rejects.toMatchObject(asks);
  expect(readMigration(dir).current).toEqual(identity);
});

describe("finishMigration", () => {
  it("goes over with the whole list, and keeps the old identity and its key", async () => {
    const machine = await newMachine();
    const { dir, identity } = machine;
    let at = 0;
    const running = await machine.openAllowList({ monotonic: () => (at += 1000) });
    const before = await stateOf(dir);
    await prepare(dir);
    await running.update(add({ friendlyName: "added meanwhile", publicKey: newDevice().publicKey }));
    const meanwhile = await stateOf(dir);
    const { identity: moved, previous } = await finish(dir);
    expect([moved.backend, previous]).toEqual(["tpm", identity]);
    const after = await stateOf(dir, tpm.env);
    expect(kept(after)).toEqual(kept(meanwhile));
    expect(after.devices).toHaveLength(before.devices.length + 1);
    expect(JSON.parse(readFileSync(join(dir, "identity.previous.json"), "utf8"))).toEqual(identity);
    expect(existsSync(join(dir, "identity.next.json"))).toBe(false);
    expect(await machine.sign(signableProbe())).toHaveLength(64);
    expect(running.check()?.code).toBe("allow_list_integrity_failure");
    expect(await codeOf(() => running.update(add()))).toBe("allow_list_integrity_failure");
    expect(machine.isSucceededBy(moved.deviceId)).toBe(true);
  });

  it("leaves an old key that refuses its own old list, should somebody put both back", async () => {
    const { dir } = await newMachine();
    const before = filesOf(dir);
    await prepare(dir);
    const { identity } = await finish(dir);
    for (const name of ["identity.json", "allow_list.json"])
      writeFileSync(join(dir, name), before[name] ?? "");
    const list = await (await openIdentity({ dir, env })).openAllowList();
    expect(list.check()).toMatchObject({
      code: "allow_list_rollback",
      detail: `The allow list has moved to ${identity.deviceId}.`,
    });
  });

  it("refuses a list that is older than the old key remembers, and changes nothing", async () => {
    const { dir } = await newMachine();
    const old = readFileSync(join(dir, "allow_list.json"));
    await prepare(dir);
    await (await (await openIdentity({ dir, env })).openAllowList()).update(add());
    writeFileSync(join(dir, "allow_list.json"), old);
    expect(await codeOf(() => finish(dir))).toBe("allow_list_rollback");
    expect(readMigration(dir)).toMatchObject({ stage: "prepared", current: { backend: "encrypted-file" } });
  });

  it("never takes up a list that the new key sealed and has gone beyond", async () => {
    const { dir } = await newMachine();
    await prepare(dir);
    const before = filesOf(dir);
    await finish(dir);
    const sealed = readFileSync(join(dir, "allow_list.json"), "utf8");
    await (await (await openIdentity({ dir, env: tpm.env })).openAllowList()).update((draft) =>
      revokeDevice(draft, { deviceId: caller.publicKey.deviceId, now: 2 }),
    );
    for (const name of ["identity.json", "identity.next.json"])
      writeFileSync(join(dir, name), before[name] ?? "");
    writeFileSync(join(dir, "allow_list.json"), sealed);
    expect(await codeOf(() => finish(dir))).toBe("allow_list_rollback");
    rmSync(join(dir, "device-2.remembered"));
    expect(await codeOf(() => finish(dir))).toBe("allow_list_rollback");
  });

  it.each([
    ["finish", "none", "migration_not_found", finish],
    ["cancel", "none", "migration_not_found", (dir: string) => cancelMigration({ dir, env: both })],
    ["forget", "none", "migration_not_found", (dir: string) => forgetPrevious({ dir, env: both })],
    ["forget", "prepared", "migration_unfinished", (dir: string) => forgetPrevious({ dir, env: both })],
    ["prepare", "finished", "migration_unfinished", prepare],
    ["finish", "finished", "no error", finish],
    ["cancel", "finished", "migration_unfinished", (dir: string) => cancelMigration({ dir, env: both })],
  ])("does not %s a migration that is at %s", async (_, stage, code, act) => {
    const { dir } = await newMachine();
    if (stage !== "none") await prepare(dir);
    if (stage === "finished") await finish(dir);
    const before = filesOf(dir);
    expect(await codeOf(() => act(dir))).toBe(code);
    expect(filesOf(dir)).toEqual(before);
  });
});

describe("cancelMigration and forgetPrevious", () => {
  it("delete the key that is not in use, and what it remembered", async () => {
    const { dir, identity } = await newMachine();
    const before = filesOf(dir);
    await prepare(dir);
    await cancelMigration({ dir, env: both });
    expect(filesOf(dir)).toEqual(before);
    await prepare(dir);
    await finish(dir);
    expect(await forgetPrevious({ dir, env: tpm.env })).toEqual({ identity, deleted: true });
    expect(readdirSync(dir).sort()).toEqual([
      "allow_list.json",
      "device-2.remembered",
      "device-2.tpm",
      "identity.json",
      "succession.jws",
    ]);
    expect(readMigration(dir).stage).toBe("none");
  });

  it("never delete the key in use, whatever the file says", async () => {
    const { dir } = await newMachine();
    cpSync(join(dir, "identity.json"), join(dir, "identity.previous.json"));
    expect(await codeOf(() => forgetPrevious({ dir, env: both }))).toBe("key_mismatch");
    rmSync(join(dir, "identity.previous.json"));
    cpSync(join(dir, "identity.json"), join(dir, "identity.next.json"));
    expect(await codeOf(() => cancelMigration({ dir, env: both }))).toBe("key_mismatch");
    expect((await stateOf(dir)).devices).toHaveLength(2);
  });
});

describe("replaceLostIdentity", () => {
  const lost = () => ({ ...both, AUTH_MESH_PASSPHRASE: "forgotten" });
  const replace = async (dir: string, more: object = {}) =>
    replaceLostIdentity(await examineLostIdentity({ dir, env: lost() }), { dir, env: lost(), ...more });

  it("gives the machine a new key and an empty list, deletes nothing, and writes what peers must do", async () => {
    const { dir, identity } = await newMachine();
    const before = filesOf(dir);
    const replaced = await replace(dir);
    expect(replaced.identity).toMatchObject({ friendlyName: "this machine", backend: "tpm" });
    const state = await stateOf(dir, tpm.env);
    expect(kept(state)).toEqual({ devices: [], revoked: [], audience: undefined, maxControllers: 1 });
    expect(readFileSync(replaced.oldList ?? "", "utf8")).toBe(before["allow_list.json"]);
    expect(filesOf(dir)).toMatchObject({
      "device.key": before["device.key"],
      "device.remembered": before["device.remembered"],
      "identity.previous.json": before["identity.json"],
      "replace-lost.txt": replaced.note,
    });
    for (const { publicKey, friendlyName } of [target, caller, outcast])
      expect(replaced.note).toContain(`"${friendlyName}" (${publicKey.deviceId})`);
    expect(replaced.note.match(new RegExp(`there: amesh revoke ${identity.deviceId}`, "g"))).toHaveLength(2);
    expect(replaced.note).toContain(
      `echo ${replaced.identity.publicKey} | amesh add --name 'this machine' --public-key - --yes`,
    );
    expect(replaced.note).toMatch(/could NOT be checked/);
    expect(await codeOf(() => replace(dir))).toBe("identity_exists");
  });

  it("replaces a second time while the key before is still kept, and names both to peers", async () => {
    const { dir, identity } = await newMachine();
    await prepare(dir);
    const { identity: second } = await finish(dir);
    rmSync(join(dir, "device-2.tpm"));
    const examined = await examineLostIdentity({ dir, env: both });
    expect(examined).toMatchObject({ identity: second, cause: { code: "key_not_found" } });
    const { identity: third, note } = await replaceLostIdentity(examined, { env: both });
    expect(third.keyAlias).toBe("device-3");
    for (const id of [identity.deviceId, second.deviceId]) expect(note).toContain(`amesh revoke ${id}`);
    expect(readMigration(dir)).toMatchObject({ stage: "finished", previous: identity });
    expect(await codeOf(() => forgetPrevious({ dir, env: both }))).toBe("identity_exists");
    expect(await forgetPrevious({ dir, env: both, force: true })).toEqual({ identity, deleted: true });
  });

  it("puts no key of hardware into a file, unless it is told to", async () => {
    const dir = join(temporaryFolder(), "amesh");
    await createIdentity({ friendlyName: "api", dir, env: tpm.env });
    const away = await examineLostIdentity({ dir, env });
    await expect(replaceLostIdentity(away, { env, argon2: cheap })).rejects.toMatchObject({
      code: "key_store_unavailable",
      fix: expect.stringContaining("--backend encrypted-file"),
    });
    expect(readMigration(dir).stage).toBe("none");
    const { identity } = await replaceLostIdentity(away, { env, argon2: cheap, backend: "encrypted-file" });
    expect(identity.backend).toBe("encrypted-file");
    expect((await stateOf(dir, env)).devices).toEqual([]);
  });

  it("can be taken back once the key signs again, with the whole list and nothing newer forgotten", async () => {
    const { dir, identity } = await newMachine();
    const before = await stateOf(dir);
    const replaced = await replace(dir);
    expect(replaced.note).toContain("amesh init --replace-lost --cancel");
    expect(await codeOf(() => takeBackIdentity({ dir, env: lost() }))).toBe("passphrase_wrong");
    expect(await codeOf(() => forgetPrevious({ dir, env: both }))).toBe("identity_exists");
    const older = readFileSync(replaced.oldList ?? "", "utf8").replace('"generation":', '"generation": ');
    writeFileSync(join(dir, "allow_list.json.set-aside-1-0000"), older);
    const taken = await takeBackIdentity({ dir, env: both });
    expect(taken).toMatchObject({ identity, givenUp: replaced.identity, deleted: true });
    expect(kept(await stateOf(dir))).toEqual(kept(before));
    expect(readMigration(dir).stage).toBe("none");
    expect(readdirSync(dir)).not.toContain("device-2.tpm");
    await (await (await openIdentity({ dir, env })).openAllowList()).update(add());
  });

  it("is not taken back with an older list, nor where a key went over by itself", async () => {
    const { dir } = await newMachine();
    const old = readFileSync(join(dir, "allow_list.json"));
    await (await (await openIdentity({ dir, env })).openAllowList()).update(add());
    const { oldList } = await replace(dir);
    writeFileSync(oldList ?? "", old);
    expect(await codeOf(() => takeBackIdentity({ dir, env: both }))).toBe("allow_list_missing");
    const moved = await newMachine();
    await prepare(moved.dir);
    await finish(moved.dir);
    expect(await codeOf(() => takeBackIdentity({ dir: moved.dir, env: both }))).toBe("migration_not_found");
  });

  it("lets a key be forgotten whose key store is gone, and says that it is left", async () => {
    const other = await SoftwareTpm.start((stop) => void stops.push(stop));
    const dir = join(temporaryFolder(), "amesh");
    const { identity } = await createIdentity({ friendlyName: "api", dir, env: other.env });
    rmSync(join(dir, "device.tpm"));
    const gone = await examineLostIdentity({ dir, env: other.env });
    await replaceLostIdentity(gone, { env, argon2: cheap, backend: "encrypted-file" });
    writeFileSync(join(dir, "identity.previous.json"), JSON.stringify({ ...identity, backend: "no-store" }));
    await expect(forgetPrevious({ dir, env })).rejects.toMatchObject({
      fix: expect.stringContaining("--force"),
    });
    expect(await forgetPrevious({ dir, env, force: true })).toMatchObject({ deleted: false });
    expect(readMigration(dir).stage).toBe("none");
  });

  it("takes name, limit and audience from whoever calls, not from a list nobody can check", async () => {
    const { dir } = await newMachine();
    const { identity } = await replace(dir, {
      friendlyName: "it's new",
      maxControllers: 5,
      audience: ["b.example"],
    });
    expect(identity.friendlyName).toBe("it's new");
    expect(await stateOf(dir, tpm.env)).toMatchObject({ maxControllers: 5, audience: ["b.example"] });
    expect(readFileSync(join(dir, "replace-lost.txt"), "utf8")).toContain(`--name 'it'\\''s new'`);
  });

  it("reads an old list nobody can check without any other exception, whatever the bytes", async () => {
    const { dir } = await newMachine();
    const list = JSON.parse(readFileSync(join(dir, "allow_list.json"), "utf8"));
    const member = fc.constantFrom(...Object.keys(list), "x", "__proto__");
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc
        .tuple(member, fc.jsonValue())
        .map(([name, value]) =>
          Buffer.from(JSON.stringify(Object.defineProperty({ ...list }, name, { value, enumerable: true }))),
        ),
    );
    expect(readUnsealed(Buffer.from(JSON.stringify(list))).devices).toHaveLength(2);
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        expect(await codeOf(() => readUnsealed(bytes))).toMatch(/^(no error|allow_list_damaged)$/);
      }),
      { numRuns: 500 },
    );
  });

  it("writes lines that a shell reads as they are meant, whatever the machine is called", () => {
    const word = fc.string({
      unit: fc.constantFrom(..."ab '\"$`\\;&|<>(){}*?!#~-"),
      minLength: 1,
      maxLength: 20,
    });
    fc.assert(
      fc.property(word, (name) => {
        const line = `set -- ${quoteForShell(name)}; printf "%s %s" "$#" "$1"`;
        expect(execFileSync("/bin/sh", ["-c", line], { encoding: "utf8" })).toBe(`1 ${name}`);
      }),
      { numRuns: 30 },
    );
  });

  it("refuses while the key signs", async () => {
    const { dir } = await newMachine();
    await expect(examineLostIdentity({ dir, env: both })).rejects.toMatchObject({
      code: "identity_exists",
      fix: expect.stringContaining("amesh init --migrate"),
    });
  });

  it.each([
    ["passphrase_wrong", true, () => {}],
    ["key_not_found", false, (dir: string) => rmSync(join(dir, "device.key"))],
    ["key_store_damaged", false, (dir: string) => writeFileSync(join(dir, "device.key"), "{}")],
  ])("says of %s whether it may pass: %s", async (code, mayComeBack, lose) => {
    const { dir } = await newMachine();
    lose(dir);
    const examined = await examineLostIdentity({ dir, env: lost() });
    expect(examined).toMatchObject({ cause: { code }, mayComeBack });
  });

  it("replaces a key of a TPM that was cleared, and of one that is away", async () => {
    const other = await SoftwareTpm.start((stop) => void stops.push(stop));
    const dir = join(temporaryFolder(), "amesh");
    await createIdentity({ friendlyName: "api", dir, env: other.env });
    const away = await examineLostIdentity({ dir, env });
    expect(away).toMatchObject({ cause: { code: "key_store_unavailable" }, mayComeBack: true });
    const cleared = await examineLostIdentity({ dir, env: tpm.env });
    expect(cleared).toMatchObject({ cause: { code: "key_store_changed" }, mayComeBack: false });
    const { note } = await replaceLostIdentity(cleared, { env: tpm.env });
    expect(note).toMatch(/is lost[\s\S]*named nobody/);
    expect((await stateOf(dir, tpm.env)).devices).toEqual([]);
  });

  it("goes on with the key that peers have learnt already, and copes with a list that is gone", async () => {
    const { dir } = await newMachine();
    const { next } = await prepare(dir);
    rmSync(join(dir, "allow_list.json"));
    const { identity, note } = await replace(dir);
    expect(identity.deviceId).toBe(next.identity.deviceId);
    expect(note).toContain("No allow list could be read");
  });
});

describe("kill -9 just before any change of a name", () => {
  let machine: { dir: string; before: AllowListState };
  beforeAll(async () => {
    const dir = join(temporaryFolderOfAll(), "amesh");
    await newIdentity({ dir, maxControllers: 2 });
    const list = await (await openIdentity({ dir, env })).openAllowList();
    for (const device of [target, caller]) await list.update(add(device));
    await (await SealedFiles.of(await openIdentity({ dir, env }))).write("a-key.pin", ["what was pinned"]);
    machine = { dir, before: list.state };
  });
  const temporaryFolderOfAll = () => {
    const dir = `${tpm.folder}-template`;
    stops.push(() => rmSync(dir, { recursive: true, force: true }));
    return dir;
  };
  /** It can be changed, too, and no lock is left of the one that was killed. */
  const expectUsable = async (dir: string) =>
    (await (await openIdentity({ dir, env: both })).openAllowList()).update(add());
  const pinned = async (dir: string) => {
    const files = await SealedFiles.of(await openIdentity({ dir, env: both }));
    return Buffer.from(files.read("a-key.pin", 1000) ?? []).toString();
  };
  const keysOf = (dir: string) => readdirSync(dir).filter((name) => /\.(key|tpm)$/.test(name));

  it("leaves a preparation that the next one completes, with one new key", async () => {
    const kills = await killAtEveryCall(
      "prepare",
      () => copyOf(machine.dir),
      async (dir, reported) => {
        expect(kept(await stateOf(dir))).toEqual(kept(machine.before));
        const begun =
          existsSync(join(dir, "device-2.tpm")) && readFileSync(join(dir, "device-2.tpm"), "utf8");
        const { next } = await prepare(dir);
        if (begun) expect(readFileSync(join(dir, "device-2.tpm"), "utf8")).toBe(begun);
        if (reported)
          expect(reported).toBe(JSON.parse(readFileSync(join(dir, "identity.json"), "utf8")).deviceId);
        expect(readMigration(dir).next).toEqual(next.identity);
        expect(keysOf(dir).sort()).toEqual(["device-2.tpm", "device.key"]);
      },
      tpm.address,
    );
    expect(kills).toBeGreaterThan(5);
  }, 60_000);

  it("leaves the old identity whole or a list nobody accepts, until going over is completed", async () => {
    const prepared = copyOf(machine.dir);
    const { next } = await prepare(prepared);
    const found = new Set<string>();
    const kills = await killAtEveryCall(
      "finish",
      () => copyOf(prepared),
      async (dir) => {
        const { stage, current } = readMigration(dir);
        const list = await (await openIdentity({ dir, env: both })).openAllowList();
        const problem = list.check();
        found.add(`${stage} ${current.backend} ${problem?.code ?? "ok"}`);
        if (problem === undefined) expect(kept(list.state)).toEqual(kept(machine.before));
        else expect(problem.fix).toContain("--finish");
        if (stage !== "finished") await finish(dir);
        expect(kept(await stateOf(dir, tpm.env))).toEqual(kept(machine.before));
        await expectUsable(dir);
        expect(await pinned(dir)).toBe("what was pinned");
        const { current: now, previous } = readMigration(dir);
        expect(now).toEqual(next.identity);
        const old = await openIdentityOf(previous as never, { dir, env });
        expect(old.isSucceededBy(now.deviceId)).toBe(true);
        expect(await (await AllowListFile.of(old)).recall()).toMatchObject({ code: "allow_list_rollback" });
        expect(await old.sign(signableProbe())).toHaveLength(64);
      },
      tpm.address,
    );
    expect(kills).toBeGreaterThan(12);
    expect([...found].sort()).toEqual([
      "finished tpm ok",
      "finishing encrypted-file allow_list_integrity_failure",
      "finishing encrypted-file ok",
      "finishing tpm ok",
      "prepared encrypted-file ok",
    ]);
  }, 60_000);

  it.each([
    ["cancel", "prepared", cancelMigration],
    ["forget", "finished", forgetPrevious],
  ] as const)(
    "leaves a %s that the next one completes",
    async (work, from, act) => {
      const template = copyOf(machine.dir);
      await prepare(template);
      if (from === "finished") await finish(template);
      await killAtEveryCall(
        work,
        () => copyOf(template),
        async (dir) => {
          if (readMigration(dir).stage === from) await act({ dir, env: both });
          expect(readMigration(dir).stage).toBe("none");
          expect(kept(await stateOf(dir))).toEqual(kept(machine.before));
          await expectUsable(dir);
          expect(keysOf(dir)).toHaveLength(1);
          expect(readdirSync(dir).filter((name) => name.endsWith(".remembered"))).toHaveLength(1);
        },
        tpm.address,
      );
    },
    60_000,
  );

  it("leaves a replacement of a lost key that the next one completes, and loses no word of the list", async () => {
    const forgotten = { ...both, AUTH_MESH_PASSPHRASE: "forgotten" };
    const lost = readFileSync(join(machine.dir, "allow_list.json"), "utf8");
    await killAtEveryCall(
      "replace",
      () => copyOf(machine.dir),
      async (dir) => {
        if (readMigration(dir).stage !== "finished")
          await replaceLostIdentity(await examineLostIdentity({ dir, env: forgotten }), { env: forgotten });
        expect((await stateOf(dir, tpm.env)).devices).toEqual([]);
        await expectUsable(dir);
        const files = filesOf(dir);
        expect(Object.entries(files).find(([name]) => name.includes(".set-aside-"))?.[1]).toBe(lost);
        expect(files["replace-lost.txt"]).toContain(`"the target" (${target.publicKey.deviceId})`);
        expect(files["replace-lost.txt"]).toContain(JSON.parse(files["identity.json"] ?? "").publicKey);
        expect(keysOf(dir).sort()).toEqual(["device-2.tpm", "device.key"]);
      },
      tpm.address,
    );
  }, 60_000);

  it("leaves a taking back that the next one completes", async () => {
    const forgotten = { ...both, AUTH_MESH_PASSPHRASE: "forgotten" };
    const template = copyOf(machine.dir);
    await replaceLostIdentity(await examineLostIdentity({ dir: template, env: forgotten }), {
      env: forgotten,
    });
    await killAtEveryCall(
      "take back",
      () => copyOf(template),
      async (dir) => {
        if (readMigration(dir).stage === "finished") await takeBackIdentity({ dir, env: both });
        expect(kept(await stateOf(dir))).toEqual(kept(machine.before));
        await expectUsable(dir);
        expect(keysOf(dir)).toEqual(["device.key"]);
      },
      tpm.address,
    );
  }, 60_000);
});
