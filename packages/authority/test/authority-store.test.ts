import { PrivateKey } from "@authmesh/core";
import { addDevice, revokeDevice } from "@authmesh/keystore";
import { describe, expect, it } from "vitest";
import { nonceStoreConformance } from "../../../test/conformance/suites/nonce-store.js";
import { DatabaseNonceStore } from "../src/database/database-nonce-store.js";
import { openDatabase } from "../src/database/open-database.js";
import type { SigningKey } from "../src/keys/signing-key.js";
import { backends, openStore, temporaryFolder } from "./stores.js";

const now = 1_800_000_000;

const device = () =>
  ({
    publicKey: PrivateKey.generate().publicKey,
    friendlyName: "worker",
    role: "controller",
    status: "active",
    addedBy: "manual",
    bound: true,
    now,
  }) as const;

const signingKey = (kid: string, state: SigningKey["state"]): SigningKey => ({
  kid,
  state,
  since: now,
  createdAt: now,
  publicJwk: { kid, alg: "EdDSA", use: "sig", kty: "OKP", crv: "Ed25519", x: "x" },
  sealed: "secret",
});

const entry = (value: string, expiresAt?: number) =>
  ({ by: "jti", value, reason: "lost", actor: "am_x", at: now, ...(expiresAt && { expiresAt }) }) as const;

const removal = (value: string) => ({ by: "jti", value, actor: "am_x", at: now }) as const;

const databases = backends();

describe.each(databases)("the state in $name", (backend) => {
  it("has a schema that several processes may bring up to date at once, and again", async () => {
    const place = await backend.place();
    const databases = await Promise.all([1, 2, 3].map(() => openDatabase(place)));
    for (const database of databases) await database.destroy();
    const store = await openStore(place);
    const none = { devices: 0, keys: 0, revocations: 0, enrollments: 0, feeds: 0 };
    expect(await store.generations()).toEqual(none);
  });

  it("keeps devices and tombstones, and tells of the change by a generation", async () => {
    const place = await backend.place();
    const store = await openStore(place);
    const [one, other] = [device(), device()];
    await store.changeDevices((draft) => addDevice(draft, one));
    await store.changeDevices((draft) => addDevice(draft, other));
    await store.changeDevices((draft) => revokeDevice(draft, { deviceId: one.publicKey.deviceId, now }));
    const { devices, revoked } = await (await openStore(place)).readDevices();
    expect(devices.map(({ deviceId }) => deviceId)).toEqual([other.publicKey.deviceId]);
    expect(revoked.map(({ deviceId }) => deviceId)).toEqual([one.publicKey.deviceId]);
    expect((await store.generations()).devices).toBe(3);
  });

  it("writes nothing of a change that throws", async () => {
    const store = await openStore(await backend.place());
    const failing = store.changeDevices((draft) => {
      addDevice(draft, device());
      throw new TypeError("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect((await store.readDevices()).devices).toEqual([]);
    expect((await store.generations()).devices).toBe(0);
  });

  it("loses no device of twenty that two replicas add at once", async () => {
    const place = await backend.place();
    const replicas = [await openStore(place), await openStore(place)];
    await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        replicas[i % 2]?.changeDevices((draft) => addDevice(draft, device())),
      ),
    );
    expect((await replicas[0]?.readDevices())?.devices).toHaveLength(20);
  });

  it("lets one of many replicas make the first keys, and never has two that sign", async () => {
    const place = await backend.place();
    const replicas = [await openStore(place), await openStore(place)];
    const results = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        replicas[i % 2]?.changeKeys((keys) =>
          keys.length > 0 ? undefined : [signingKey(`a${i}`, "active"), signingKey(`n${i}`, "next")],
        ),
      ),
    );
    for (const keys of results) expect(keys).toEqual(results[0]);
    const second = replicas[0]?.changeKeys((keys) => [...keys, signingKey("x", "active")]);
    await expect(second).rejects.toMatchObject({ code: "database_unavailable" });
    expect(await replicas[1]?.readKeys()).toHaveLength(2);
  });

  it("moves keys on without ever having two of a state", async () => {
    const store = await openStore(await backend.place());
    await store.changeKeys(() => [signingKey("a", "active"), signingKey("b", "next")]);
    await store.changeKeys(() => [
      { ...signingKey("a", "retiring"), sealed: undefined },
      signingKey("b", "active"),
      signingKey("c", "next"),
    ]);
    const keys = await store.readKeys();
    expect(Object.fromEntries(keys.map(({ kid, state }) => [kid, state]))).toEqual({
      a: "retiring",
      b: "active",
      c: "next",
    });
    expect(keys.find(({ kid }) => kid === "a")).not.toHaveProperty("sealed");
  });

  it("gives revocations in the order of their changes, the last one of each alone", async () => {
    const store = await openStore(await backend.place());
    await store.addRevocation(entry("a"));
    await store.addRevocation(entry("b", now + 60));
    await store.addRevocation({ ...entry("a"), reason: "stolen" });
    expect(await store.removeRevocation(removal("b"))).toBe(4);
    expect(await store.removeRevocation(removal("b"))).toBeUndefined();
    const page = await store.revocationsAfter(0, 100);
    expect(page?.changes).toMatchObject([
      { generation: 3, by: "jti", value: "a", reason: "stolen", removed: false },
      { generation: 4, by: "jti", value: "b", removed: true },
    ]);
    expect((await store.revocationsAfter(3, 100))?.changes).toHaveLength(1);
    expect((await store.revocationsAfter(0, 1))?.changes).toHaveLength(1);
    expect(await store.revocationsAfter(99, 100)).toBeUndefined();
  });

  it("ends no revocation sooner, unless it is taken back first", async () => {
    const store = await openStore(await backend.place());
    const end = async (expiresAt?: number) => (await store.addRevocation(entry("a", expiresAt))).expiresAt;
    expect(await end(now + 60)).toBe(now + 60);
    expect(await end(now + 30)).toBe(now + 60);
    expect(await end(now + 90)).toBe(now + 90);
    expect(await end()).toBeUndefined();
    expect(await end(now + 30)).toBeUndefined();
    expect((await store.revocationsAfter(0, 1))?.changes[0]).not.toHaveProperty("expiresAt");
    await store.removeRevocation(removal("a"));
    expect(await end(now + 30)).toBe(now + 30);
  });

  it("keeps what the audit is to be told of revocations with their change", async () => {
    const store = await openStore(await backend.place());
    await store.addRevocation(entry("a", now + 60));
    await store.removeRevocation(removal("a"));
    await store.removeRevocation(removal("a"));
    const told = (await store.untold()).map(({ type, subject, data }) => ({ type, subject, data }));
    expect(told).toHaveLength(2);
    const about = { by: "jti", value: "a" };
    expect(told).toContainEqual({
      type: "dev.authmesh.token.revoked",
      subject: "am_x",
      data: { ...about, reason: "lost", expiresAt: now + 60 },
    });
    expect(told).toContainEqual({ type: "dev.authmesh.revocation.removed", subject: "am_x", data: about });
  });

  it("drops what is over, and does not know the generations from before any more", async () => {
    const store = await openStore(await backend.place());
    await store.addRevocation(entry("a", now + 60));
    await store.addRevocation(entry("b"));
    await store.removeRevocation(removal("b"));
    await store.addRevocation(entry("c"));
    await store.forgetRevocations(now);
    expect((await store.generations()).revocations).toBe(4);
    await store.forgetRevocations(now + 86_401);
    expect((await store.revocationsAfter(0, 100))?.changes).toMatchObject([{ value: "c" }]);
    expect(await store.revocationsAfter(2, 100)).toBeUndefined();
    expect(await store.revocationsAfter(2, 100, 1)).toBeUndefined();
    // Who began after the removal, and is still reading, never read what was removed.
    expect((await store.revocationsAfter(2, 100, 0))?.changes).toMatchObject([{ value: "c" }]);
    expect((await store.revocationsAfter(3, 100))?.changes).toHaveLength(1);
  });

  it("settles a value once, whoever asks first", async () => {
    const place = await backend.place();
    const [one, other] = [await openStore(place), await openStore(place)];
    const values = await Promise.all([one.settle("log", "a"), other.settle("log", "b")]);
    expect(values[0]).toBe(values[1]);
    expect(await one.settle("log", "c")).toBe(values[0]);
  });

  it("accepts a nonce once, whichever of two replicas is asked, and forgets it after its time", async () => {
    const place = await backend.place();
    const stores = [await openStore(place), await openStore(place)];
    const ask = (i: number, at: number) => stores[i % 2]?.recordNonce("n", at, at + 71_000);
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => ask(i, 1000)));
    expect(answers.filter(Boolean)).toHaveLength(1);
    await stores[0]?.forgetNonces(71_999);
    expect(await ask(0, 71_999)).toBe(false);
    await stores[0]?.forgetNonces(72_000);
    expect(await ask(1, 72_000)).toBe(true);
  });
});

for (const backend of databases)
  nonceStoreConformance(`DatabaseNonceStore over ${backend.name}`, async () => {
    let time = 1_800_000_000_000;
    const store = await openStore(await backend.place());
    return {
      store: new DatabaseNonceStore(store, () => time),
      clock: {
        advance: (milliseconds) => {
          time += milliseconds;
        },
      },
    };
  });

describe("a database that cannot be used", () => {
  it("is said to be so: a file in a folder that is not there, a server that does not run", async () => {
    for (const place of [
      { file: `${temporaryFolder()}/none/authority.db` },
      { url: "postgres://amesh:hunter2@127.0.0.1:9/none" },
    ]) {
      const failure = await openDatabase(place).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "database_unavailable" });
      expect(String(failure)).not.toContain("hunter2");
    }
  });

  it("is refused when a later amesh has written it", async () => {
    const place = { file: `${temporaryFolder()}/authority.db` };
    const database = await openDatabase(place);
    await database
      // biome-ignore lint/suspicious/noExplicitAny: a table of Kysely's own
      .withTables<{ kysely_migration: any }>()
      .insertInto("kysely_migration")
      .values({ name: "9999_later", timestamp: "" })
      .execute();
    await database.destroy();
    await expect(openDatabase(place)).rejects.toMatchObject({
      code: "database_unavailable",
      fix: "Install a later amesh.",
    });
  });
});
