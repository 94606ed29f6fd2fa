import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PrivateKey, signableProbe } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseIdentity } from "../src/identity-file.js";
import { createIdentity, identityFolder, openIdentity, revokeDevice } from "../src/index.js";
import { add, cheap, codeOf, env, newIdentity, temporaryFolder } from "./fixture.js";

const create = (dir: string, more = {}) =>
  createIdentity({ friendlyName: "prod-api", dir, env, argon2: cheap, backend: "encrypted-file", ...more });

/** Detection as on a machine for which nobody has said where its TPM is. */
const undecided = { env: { ...env, AMESH_TPM: undefined }, backend: undefined };

const vector = fileURLToPath(new URL("./vectors/identity", import.meta.url));

describe("createIdentity", () => {
  it("makes an identity that opens, signs, and trusts nobody yet", async () => {
    const dir = join(temporaryFolder(), "new", "amesh");
    const { identity, findings, warnings } = await create(dir, {
      ...undecided,
      now: () => 1_774_656_000_999,
    });
    expect(identity).toMatchObject({
      version: 1,
      friendlyName: "prod-api",
      backend: "encrypted-file",
      createdAt: 1_774_656_000,
    });
    expect(findings.filter(({ status }) => status !== "not tried")).toMatchObject([
      { name: "secure-enclave", status: "not available", reason: "needs macOS" },
      { name: "tpm", status: "not available" },
      { name: "encrypted-file", status: "selected" },
    ]);
    expect(warnings).toEqual([]);

    const open = await openIdentity({ dir, env });
    expect(open.identity).toEqual(identity);
    expect(open.publicKey.deviceId).toBe(identity.deviceId);
    expect(open.publicKey.verify(signableProbe(), await open.sign(signableProbe()))).toBe(true);
    const list = await open.openAllowList();
    expect(list.check()).toBeUndefined();
    expect(list.state).toMatchObject({ generation: 1, maxControllers: 1, devices: [], revoked: [] });
  });

  it("keeps the folder and every file in it for their owner", async () => {
    const { dir } = await newIdentity({ env: {} });
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    const modes = Object.fromEntries(
      readdirSync(dir).map((name) => [name, (statSync(join(dir, name)).mode & 0o777).toString(8)]),
    );
    expect(modes).toEqual({
      "allow_list.json": "600",
      "device.key": "600",
      "device.remembered": "600",
      "identity.json": "600",
      passphrase: "400",
    });
  });

  it("writes settings into the sealed list", async () => {
    const open = await newIdentity({ maxControllers: 3, audience: ["API.example.com", "localhost:3000"] });
    const list = await open.openAllowList();
    expect(list.state.maxControllers).toBe(3);
    expect(list.audience).toEqual(["api.example.com", "localhost:3000"]);
  });

  it("never asks: with no passphrase given it generates one and says so", async () => {
    const dir = join(temporaryFolder(), "amesh");
    const { warnings } = await create(dir, { env: {} });
    expect(warnings).toMatchObject([{ code: "passphrase_generated", path: join(dir, "passphrase") }]);
    const open = await openIdentity({ dir, env: {} });
    expect(await open.sign(signableProbe())).toHaveLength(64);
    const secret = readFileSync(join(dir, "passphrase"), "utf8").trim();
    expect(JSON.stringify(warnings)).not.toContain(secret);
  });

  it("refuses to overwrite, and changes nothing", async () => {
    const { dir } = await newIdentity();
    const before = readdirSync(dir).map((name) => readFileSync(join(dir, name), "utf8"));
    expect(await codeOf(() => create(dir, { friendlyName: "other" }))).toBe("identity_exists");
    writeFileSync(join(dir, "identity.json"), "damaged");
    expect(await codeOf(() => create(dir))).toBe("identity_exists");
    expect(
      readdirSync(dir)
        .map((name) => readFileSync(join(dir, name), "utf8"))
        .slice(0, 3),
    ).toEqual(before.slice(0, 3));
  });

  it("makes one identity when called many times at once", async () => {
    const dir = join(temporaryFolder(), "amesh");
    const results = await Promise.allSettled(Array.from({ length: 4 }, () => create(dir)));
    expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect((await openIdentity({ dir, env })).publicKey.deviceId).toMatch(/^am_/);
  });

  it.each([
    ["invalid_name", { friendlyName: "\u200b" }],
    ["key_store_unknown", { backend: "abacus" }],
  ])("refuses with %s before it touches anything", async (code, options) => {
    const dir = join(temporaryFolder(), "amesh");
    expect(await codeOf(() => create(dir, options))).toBe(code);
    expect(existsSync(dir)).toBe(false);
  });

  it.each([{ maxControllers: 0 }, { maxControllers: 1.5 }, { audience: ["https://api.example.com/"] }])(
    "calls %j a mistake of the programmer",
    async (options) => {
      await expect(create(join(temporaryFolder(), "amesh"), options)).rejects.toThrow(TypeError);
    },
  );

  it("warns about a folder that others can reach", async () => {
    const dir = temporaryFolder();
    mkdirSync(join(dir, "open"), { mode: 0o755 });
    const { warnings } = await create(join(dir, "open"));
    expect(warnings).toMatchObject([{ code: "storage_exposed", path: join(dir, "open") }]);
    expect(warnings[0]?.message).toContain("chmod go=");
  });

  it("completes in a folder that holds a link to itself", async () => {
    const dir = temporaryFolder();
    symlinkSync(join(dir, "loop"), join(dir, "loop"));
    expect((await create(dir)).warnings).toEqual([]);
    expect((await openIdentity({ dir, env })).identity.friendlyName).toBe("prod-api");
  });

  describe("after an interrupted call", () => {
    it("goes on with the key and the list that are there", async () => {
      const open = await newIdentity();
      await (await open.openAllowList()).update(add());
      rmSync(join(open.dir, "identity.json"));
      const { identity, warnings } = await create(open.dir, { friendlyName: "renamed", maxControllers: 2 });
      expect(warnings).toMatchObject([{ code: "key_adopted", path: open.dir }]);
      expect(warnings[0]?.message).toContain(open.identity.deviceId);
      expect(identity.deviceId).toBe(open.identity.deviceId);
      const again = await openIdentity({ dir: open.dir, env });
      expect((await again.openAllowList()).state).toMatchObject({ maxControllers: 2, generation: 3 });
      expect((await again.openAllowList()).state.devices).toHaveLength(1);
    });

    it("makes the list when only the key is there", async () => {
      const open = await newIdentity();
      for (const name of ["identity.json", "allow_list.json", "device.remembered"])
        rmSync(join(open.dir, name));
      expect((await create(open.dir)).identity.deviceId).toBe(open.identity.deviceId);
      expect((await (await openIdentity({ dir: open.dir, env })).openAllowList()).check()).toBeUndefined();
    });

    it("sets a list aside that another key sealed, and loses nothing of it", async () => {
      const open = await newIdentity();
      const list = readFileSync(join(open.dir, "allow_list.json"), "utf8");
      for (const name of ["identity.json", "device.key"]) rmSync(join(open.dir, name));
      const { warnings } = await create(open.dir);
      expect(warnings).toMatchObject([{ code: "allow_list_set_aside" }]);
      expect(readFileSync(warnings[0]?.path ?? "", "utf8")).toBe(list);
      expect((await (await openIdentity({ dir: open.dir, env })).openAllowList()).check()).toBeUndefined();
    });

    it("never accepts a list that is older than what the key remembers", async () => {
      const open = await newIdentity();
      const old = readFileSync(join(open.dir, "allow_list.json"));
      await (await open.openAllowList()).update(add());
      writeFileSync(join(open.dir, "allow_list.json"), old);
      rmSync(join(open.dir, "identity.json"));
      const { warnings } = await create(open.dir);
      expect(warnings).toMatchObject([{ code: "key_adopted" }, { code: "allow_list_set_aside" }]);
      const list = await (await openIdentity({ dir: open.dir, env })).openAllowList();
      expect(list.state.generation).toBe(3);
    });

    it("never accepts a list of which the key remembers nothing: a revoked controller would be back", async () => {
      const open = await newIdentity();
      const publicKey = PrivateKey.generate().publicKey;
      const list = await open.openAllowList();
      await list.update(add({ publicKey, role: "controller" }));
      const old = readFileSync(join(open.dir, "allow_list.json"), "utf8");
      await list.update((draft) => revokeDevice(draft, { deviceId: publicKey.deviceId, now: 1_760_000_000 }));
      for (const name of ["identity.json", "device.remembered"]) rmSync(join(open.dir, name));
      writeFileSync(join(open.dir, "allow_list.json"), old);
      const { identity, warnings } = await create(open.dir);
      expect(identity.deviceId).toBe(open.identity.deviceId);
      expect(warnings).toMatchObject([{ code: "key_adopted" }, { code: "allow_list_set_aside" }]);
      expect(readFileSync(warnings[1]?.path ?? "", "utf8")).toBe(old);
      const again = await (await openIdentity({ dir: open.dir, env })).openAllowList();
      expect(again.state).toMatchObject({ generation: 1, devices: [], revoked: [] });
      expect(again.find(publicKey.base64, "controller")).toBeUndefined();
    });

    it("goes on with an untouched list though the key remembers nothing yet", async () => {
      const open = await newIdentity();
      for (const name of ["identity.json", "device.remembered"]) rmSync(join(open.dir, name));
      const { warnings } = await create(open.dir, { audience: ["api.example.com"] });
      expect(warnings).toMatchObject([{ code: "key_adopted" }]);
      const again = await (await openIdentity({ dir: open.dir, env })).openAllowList();
      expect(again.state).toMatchObject({ generation: 1, audience: ["api.example.com"] });
    });

    it("says passphrase_wrong, and removes nothing, when the key was made with another passphrase", async () => {
      const open = await newIdentity();
      rmSync(join(open.dir, "identity.json"));
      const key = readFileSync(join(open.dir, "device.key"));
      const wrong = { AUTH_MESH_PASSPHRASE: "another" };
      expect(await codeOf(() => create(open.dir, { env: wrong }))).toBe("passphrase_wrong");
      expect(await codeOf(() => create(open.dir, { env: {} }))).toBe("passphrase_missing");
      expect(existsSync(join(open.dir, "passphrase"))).toBe(false);
      expect(readFileSync(join(open.dir, "device.key"))).toEqual(key);
    });
  });
});

describe("openIdentity", () => {
  it("opens what another implementation wrote, byte by byte from the protocol", async () => {
    const dir = temporaryFolder();
    cpSync(vector, dir, { recursive: true });
    const open = await openIdentity({ dir, env: { AUTH_MESH_PASSPHRASE: "pass phrase of the vector" } });
    expect(open.identity.friendlyName).toBe("prod-api");
    const list = await open.openAllowList();
    expect(list.check()).toBeUndefined();
    expect(list.find("Asz3qHvlyhbqwAiSPaseKLgSMQWqPM2ZGHBSIspdOnzG", "controller")).toMatchObject({
      deviceId: "am_A-y0Hy0Le6ayTyT2",
      friendlyName: "MacBook Pro — dév",
      bound: true,
      scopes: { orders: "rw", profile: "r" },
      expiresAt: 1_806_192_000,
    });
    expect(list.isRevoked("am_nldZaUK1uiU-SFlO")).toBe(true);
  });

  it("looks in the folder it is told, then in AUTH_MESH_DIR, then in ~/.amesh", async () => {
    expect(identityFolder({ dir: "/a", env: { AUTH_MESH_DIR: "/b" } })).toBe("/a");
    expect(identityFolder({ env: { AUTH_MESH_DIR: "/b/../c" } })).toBe("/c");
    expect(identityFolder({ env: { AUTH_MESH_DIR: "" } })).toBe(join(homedir(), ".amesh"));
    const { dir, identity } = await newIdentity();
    expect((await openIdentity({ env: { ...env, AUTH_MESH_DIR: dir } })).identity).toEqual(identity);
  });

  it("says identity_not_found where there is none", async () => {
    const dir = temporaryFolder();
    expect(await codeOf(() => openIdentity({ dir, env }))).toBe("identity_not_found");
    expect(await codeOf(() => openIdentity({ dir: join(dir, "none"), env }))).toBe("identity_not_found");
  });

  it("asks for the passphrase once, when the key is first used, and only if it is nowhere else", async () => {
    const { dir } = await newIdentity();
    let asked = 0;
    const promptSecret = async () => {
      asked++;
      return env.AUTH_MESH_PASSPHRASE;
    };
    const open = await openIdentity({ dir, env: {}, promptSecret });
    expect(asked).toBe(0);
    await Promise.all([open.sign(signableProbe()), open.openAllowList(), open.sign(signableProbe())]);
    expect(asked).toBe(1);
    await (await openIdentity({ dir, env, promptSecret })).sign(signableProbe());
    expect(asked).toBe(1);
  });

  it("refuses a key that is not the one identity.json names", async () => {
    const one = await newIdentity();
    const other = await newIdentity();
    cpSync(join(other.dir, "device.key"), join(one.dir, "device.key"));
    expect(await codeOf(() => openIdentity({ dir: one.dir, env }))).toBe("key_mismatch");
    rmSync(join(one.dir, "device.key"));
    expect(await codeOf(() => openIdentity({ dir: one.dir, env }))).toBe("key_not_found");
  });

  it("does not wait for a pipe in the place of a file, nor read a folder", async () => {
    const dir = temporaryFolder();
    execFileSync("mkfifo", [join(dir, "identity.json")]);
    expect(await codeOf(() => openIdentity({ dir, env }))).toBe("storage_failed");
    rmSync(join(dir, "identity.json"));
    mkdirSync(join(dir, "identity.json"));
    expect(await codeOf(() => openIdentity({ dir, env }))).toBe("storage_failed");
  });

  const whole = JSON.parse(readFileSync(join(vector, "identity.json"), "utf8"));
  it.each([
    ["version", 2],
    ["version", "1"],
    ["deviceId", "am_A-y0Hy0Le6ayTyT2"],
    ["deviceId", "../x"],
    ["publicKey", "Asz3qHvlyhbqwAiSPaseKLgSMQWqPM2ZGHBSIspdOnzG"],
    ["publicKey", `A${"A".repeat(43)}`],
    ["publicKey", ""],
    ["friendlyName", ""],
    ["friendlyName", "prod\u202e-api"],
    ["friendlyName", "x".repeat(65)],
    ["friendlyName", 7],
    ["backend", "../../tpm"],
    ["backend", null],
    ["keyAlias", "../device"],
    ["keyAlias", ""],
    ["createdAt", -1],
    ["createdAt", 1.5],
    ["createdAt", "2026-03-30"],
    ["extra", 1],
    ["__proto__", { backend: "x" }],
    ["version", undefined],
    ["createdAt", undefined],
  ])("says identity_damaged when %s is %j", async (member, value) => {
    const changed = JSON.stringify({ ...whole, [member]: value });
    expect(await codeOf(() => parseIdentity(Buffer.from(changed)))).toBe("identity_damaged");
  });

  it("of a later version says so, whatever else it holds", () => {
    const later = JSON.stringify({ ...whole, version: 3, keys: [] });
    expect(() => parseIdentity(Buffer.from(later))).toThrow(
      expect.objectContaining({
        code: "identity_damaged",
        message: "identity.json cannot be read: it is of version 3, which a later amesh reads.",
        fix: "Install a later amesh.",
      }),
    );
  });

  it("reads the unchanged one, so that the refusals above mean something", () => {
    expect(parseIdentity(Buffer.from(JSON.stringify(whole))).identity).toEqual(whole);
  });

  it.each(["", "null", "[]", "{", '{"version":1}', "\ufeff{}"])(
    "says identity_damaged of %j",
    async (content) => {
      expect(await codeOf(() => parseIdentity(Buffer.from(content)))).toBe("identity_damaged");
    },
  );

  it("refuses a backend nobody knows by its name", async () => {
    const { dir, identity } = await newIdentity();
    writeFileSync(join(dir, "identity.json"), JSON.stringify({ ...identity, backend: "abacus" }));
    expect(await codeOf(() => openIdentity({ dir, env }))).toBe("key_store_unknown");
  });

  it("is read without any other exception, whatever the bytes", async () => {
    const member = fc.constantFrom(...Object.keys(whole), "x", "__proto__");
    const content = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .tuple(member, fc.jsonValue())
        .map(([name, value]) =>
          Buffer.from(JSON.stringify(Object.defineProperty({ ...whole }, name, { value, enumerable: true }))),
        ),
    );
    await fc.assert(
      fc.asyncProperty(content, async (bytes) => {
        expect(await codeOf(() => parseIdentity(bytes))).toMatch(/^(no error|identity_damaged)$/);
      }),
      { numRuns: 1000 },
    );
  });
});

it("keeps the audience and the limit of a list it goes on with, unless told otherwise", async () => {
  const { dir } = await newIdentity({ audience: ["api.example.com"], maxControllers: 3 });
  rmSync(join(dir, "identity.json"));
  const { warnings } = await create(dir);
  const list = await (await openIdentity({ dir, env })).openAllowList();
  expect(list.audience).toEqual(["api.example.com"]);
  expect(list.state.maxControllers).toBe(3);
  expect(warnings.map(({ code }) => code)).toContain("key_adopted");
});

it("names the generated passphrase file when that is what is missing", async () => {
  const dir = join(temporaryFolder(), "amesh");
  await createIdentity({ friendlyName: "this machine", dir, env: {}, argon2: cheap });
  rmSync(join(dir, "passphrase"));
  const open = await openIdentity({ dir, env: {} });
  await expect(open.keyStore.sealingSecret("device")).rejects.toMatchObject({
    code: "passphrase_missing",
    fix: expect.stringContaining(join(dir, "passphrase")),
  });
});
