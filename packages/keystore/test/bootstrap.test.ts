import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type BootstrapToken,
  type BootstrapTokenOptions,
  createBootstrapToken,
  PrivateKey,
  readBootstrapToken,
} from "@authmesh/core";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type BootstrapIdentityOptions,
  bootstrapIdentity,
  type OpenIdentity,
  openIdentity,
  revokeDevice,
} from "../src/index.js";
import { add, cheap, codeOf, env, newIdentity, temporaryFolder } from "./fixture.js";
import { build } from "./processes/built.js";
import { start } from "./processes/child.js";
import { killAtEveryCall } from "./processes/kill-at-every-call.js";

const noon = 1_800_000_000;
const laptop = PrivateKey.generate();
const laptopId = laptop.publicKey.deviceId;

const provision = (more: Partial<BootstrapTokenOptions> = {}, key = laptop): Promise<string> =>
  createBootstrapToken({
    controller: { publicKey: key.publicKey, friendlyName: "Dev Laptop", sign: async (m) => key.sign(m) },
    name: "prod-server",
    relay: "ws://127.0.0.1:9/ws",
    now: () => noon * 1000,
    ...more,
  });

const jtiOf = (token: string) => (readBootstrapToken(token) as BootstrapToken).jti;

/** Uses a token in a folder, at noon. */
const use = (dir: string, token: string, more: Partial<BootstrapIdentityOptions> = {}) =>
  bootstrapIdentity({
    token,
    dir,
    env,
    argon2: cheap,
    backend: "encrypted-file",
    hosts: ["api-1"],
    now: () => (noon + 1) * 1000,
    ...more,
  });

const stateOf = async (dir: string) => (await (await openIdentity({ dir, env })).openAllowList()).state;
const newFolder = () => join(temporaryFolder(), "amesh");

async function change(open: OpenIdentity, ...args: Parameters<typeof add>): Promise<void> {
  await (await open.openAllowList()).update(add(...args));
}

describe("a machine without an identity", () => {
  it("makes one under the token's name and lets the controller in, bound, in one go", async () => {
    const dir = newFolder();
    const token = await provision();
    const { identity, outcome, consumed, created } = await use(dir, token);
    expect([outcome, consumed, created?.identity.friendlyName]).toEqual(["added", true, "prod-server"]);
    const state = await stateOf(dir);
    expect(state.devices).toEqual([
      {
        deviceId: laptopId,
        publicKey: laptop.publicKey.base64,
        friendlyName: "Dev Laptop",
        role: "controller",
        status: "active",
        addedAt: noon + 1,
        addedBy: "bootstrap",
        bound: true,
      },
    ]);
    expect(state.consumed).toEqual([{ jti: jtiOf(token), expiresAt: noon + 3600 }]);
    // `init` wrote generation 1; entry and used token are one write.
    expect(state.generation).toBe(2);
    expect(identity.identity.backend).toBe("encrypted-file");
  });

  it.each<[string, () => Promise<string>, Partial<BootstrapIdentityOptions>]>([
    ["bootstrap_token_invalid", async () => "eyJ.not.a-token", {}],
    ["bootstrap_token_expired", () => provision(), { now: () => (noon + 3600) * 1000 }],
    ["bootstrap_host_mismatch", () => provision({ host: "api-2" }), {}],
  ])("stays without one when the token is refused: %s", async (code, token, more) => {
    const dir = newFolder();
    const text = await token();
    expect(await codeOf(() => use(dir, text, more))).toBe(code);
    expect(existsSync(dir)).toBe(false);
  });

  it("is bootstrapped once by eight uses at a time", async () => {
    const dir = newFolder();
    const token = await provision();
    const all = await Promise.all(Array.from({ length: 8 }, () => use(dir, token)));
    expect(all.filter(({ outcome }) => outcome === "added")).toHaveLength(1);
    expect(all.filter(({ created }) => created !== undefined)).toHaveLength(1);
    expect((await stateOf(dir)).devices).toHaveLength(1);
  });
});

describe("a machine with an identity", () => {
  it("keeps it, and lets the controller in", async () => {
    const open = await newIdentity();
    const { outcome, created, identity } = await use(open.dir, await provision({ host: "api-1" }));
    expect([outcome, created]).toEqual(["added", undefined]);
    expect(identity.identity).toEqual(open.identity);
  });

  it("changes nothing for a controller that it knows, however old the token", async () => {
    const open = await newIdentity();
    await change(open, { role: "controller", publicKey: laptop.publicKey, expiresAt: noon - 1 });
    const before = await stateOf(open.dir);
    const used = await use(open.dir, await provision({ host: "api-2" }), { now: () => (noon + 9999) * 1000 });
    expect([used.outcome, used.consumed]).toEqual(["known", false]);
    expect(await stateOf(open.dir)).toEqual(before);
  });

  it("makes a controller of a device that it knows as target or that is pending", async () => {
    const open = await newIdentity();
    await change(open, { role: "target", publicKey: laptop.publicKey });
    await change(open, { role: "controller", publicKey: laptop.publicKey, status: "pending" });
    expect((await use(open.dir, await provision())).outcome).toBe("added");
    expect((await stateOf(open.dir)).devices.map(({ role, status }) => `${role} ${status}`)).toEqual([
      "target active",
      "controller active",
    ]);
  });

  it("takes a token once: not again when its controller is gone", async () => {
    const open = await newIdentity();
    const token = await provision();
    await use(open.dir, token);
    const list = await open.openAllowList();
    await list.update((draft) => {
      draft.devices = [];
    });
    expect(await codeOf(() => use(open.dir, token))).toBe("bootstrap_token_used");
    expect((await use(open.dir, await provision())).outcome).toBe("added");
  });

  it("never takes a device back that was revoked here, with a token old or new", async () => {
    const open = await newIdentity();
    const token = await provision();
    await use(open.dir, token);
    const list = await open.openAllowList();
    await list.update((draft) => revokeDevice(draft, { deviceId: laptopId, now: noon }));
    expect(await codeOf(async () => use(open.dir, await provision()))).toBe("device_revoked");
    expect(await codeOf(() => use(open.dir, token))).toBe("device_revoked");
    await list.update((draft) => {
      draft.consumed = [];
    });
    expect(await codeOf(() => use(open.dir, token))).toBe("device_revoked");
    expect((await stateOf(open.dir)).devices).toEqual([]);
  });

  it("lets nobody go for the new controller, and consumes no token that it refuses", async () => {
    const open = await newIdentity();
    await change(open, { role: "controller" });
    const before = await stateOf(open.dir);
    expect(await codeOf(async () => use(open.dir, await provision()))).toBe("controller_limit_reached");
    expect(await stateOf(open.dir)).toEqual(before);
  });

  it("makes a machine that accepts as many controllers as AMESH_MAX_CONTROLLERS says, and reads it never again", async () => {
    const dir = newFolder();
    const accepting = (most: string) => ({ env: { ...env, AMESH_MAX_CONTROLLERS: most } });
    for (const most of ["0", "1001", "two", "1e3"])
      expect(await codeOf(async () => use(dir, await provision(), accepting(most)))).toBe("invalid_option");
    await use(dir, await provision(), accepting("2"));
    await use(dir, await provision({}, PrivateKey.generate()), accepting("3"));
    expect(await stateOf(dir)).toMatchObject({ maxControllers: 2, devices: [{}, {}] });
    const third = await provision({}, PrivateKey.generate());
    expect(await codeOf(() => use(dir, third, accepting("3")))).toBe("controller_limit_reached");
  });

  it("takes no token of its own", async () => {
    const open = await newIdentity();
    const { publicKey, sign } = open;
    const token = await provision({ controller: { publicKey, sign, friendlyName: "itself" } });
    expect(await codeOf(() => use(open.dir, token))).toBe("pairing_own_key");
  });

  it("forgets used tokens once they have expired", async () => {
    const open = await newIdentity({ maxControllers: 2 });
    await use(open.dir, await provision({ lifetimeSeconds: 10 }));
    const other = PrivateKey.generate();
    const token = await provision({}, other);
    await use(open.dir, token, { now: () => (noon + 10) * 1000 });
    expect((await stateOf(open.dir)).consumed.map(({ jti }) => jti)).toEqual([jtiOf(token)]);
  });

  it("uses no token on a list that it cannot trust", async () => {
    const open = await newIdentity();
    writeFileSync(join(open.dir, "allow_list.json"), "{}");
    expect(await codeOf(async () => use(open.dir, await provision()))).toMatch(/^allow_list_/);
  });
});

describe("a machine that is killed while it uses a token", () => {
  beforeAll(build);

  it("just before any call to the file system completes it with the same token later", async () => {
    const token = await provision();
    const found = new Set<string>();
    const kills = await killAtEveryCall(
      "bootstrap",
      newFolder,
      async (dir, reported) => {
        const identityThere = existsSync(dir) && readdirSync(dir).includes("identity.json");
        const before = identityThere ? await stateOf(dir) : undefined;
        // Either both are there or neither.
        expect(before?.consumed.length ?? 0).toBe(before?.devices.length ?? 0);
        const { identity, outcome } = await use(dir, token);
        expect(outcome).toBe(before?.devices.length === 1 ? "known" : "added");
        if (reported !== undefined) expect(identity.identity.deviceId).toBe(reported);
        expect((await stateOf(dir)).devices.map(({ deviceId }) => deviceId)).toEqual([laptopId]);
        // Whoever writes next sweeps away what the dead process left.
        await (await identity.openAllowList()).update(() => {});
        found.add(before === undefined ? "nothing" : outcome);
      },
      token,
    );
    expect(kills).toBeGreaterThan(10);
    expect([...found].sort()).toEqual(["added", "known", "nothing"]);
  }, 120_000);

  it("is bootstrapped once by several processes that start at once", async () => {
    const dir = newFolder();
    const token = await provision();
    const children = [1, 2, 3].map(() => start("kill-at-call.js", [dir, "bootstrap", 0, token]));
    for (const child of children) expect(await child.ended).toBe(0);
    const ids = new Set(children.map(({ lines }) => lines[0]));
    expect(ids.size).toBe(1);
    expect((await stateOf(dir)).devices).toHaveLength(1);
  });
});
