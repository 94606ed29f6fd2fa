import { mkdtempSync, rmSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AmeshError, type ErrorCode, InMemoryNonceStore, type TrustStore } from "@authmesh/core";
import {
  addDevice,
  createIdentity,
  type OpenIdentity,
  openIdentity,
  revokeDevice,
  setAudience,
  TpmKeyStore,
} from "@authmesh/keystore";
import { type Client, type ClientOptions, createClient, type Logger, verify } from "@authmesh/sdk";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { SoftwareTpm } from "../../keystore/test/swtpm.js";
import { silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

/** One clock for clients and servers, ahead of the real one. */
let aheadMs = 0;
const unhandled: unknown[] = [];
const note = (reason: unknown) => void unhandled.push(reason);

beforeEach(() => {
  aheadMs = 0;
  const realNow = Date.now;
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + aheadMs);
  process.on("unhandledRejection", note);
});

afterEach(() => {
  process.off("unhandledRejection", note);
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  expect(unhandled.splice(0)).toEqual([]);
});

interface Machine {
  readonly tpm: SoftwareTpm;
  readonly open: OpenIdentity;
}

/** A machine with a TPM of its own, and an identity in it. */
async function machine(friendlyName: string): Promise<Machine> {
  const tpm = await SoftwareTpm.start(onTestFinished);
  const folder = mkdtempSync(join(tmpdir(), "amesh-outage-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const dir = join(folder, "amesh");
  await createIdentity({ friendlyName, dir, env: tpm.env, backend: "tpm" });
  return { tpm, open: await openIdentity({ dir, env: tpm.env }) };
}

/** A laptop, and a server that knows it and serves. */
async function pair() {
  const [laptop, server] = await Promise.all([machine("laptop"), machine("server")]);
  const list = await server.open.openAllowList();
  const { publicKey } = laptop.open;
  await list.update((draft) =>
    addDevice(draft, {
      publicKey,
      friendlyName: "laptop",
      role: "controller",
      status: "active",
      addedBy: "manual",
      bound: true,
      now: Math.floor(Date.now() / 1000),
    }),
  );
  const serveWith = async (allowList: string | TrustStore, logger: Logger = silent) => {
    const guard = verify({ allowList, logger, nonceStore: new InMemoryNonceStore() });
    return serve((request, response) => guard(request, response, () => response.end("in")));
  };
  const { url, host } = await serveWith(list);
  await list.update((draft) => setAudience(draft, [host]));
  return { laptop, server, url, serveWith };
}

/** As `createClient({ dir })` makes it, but for how long it waits for the TPM. */
function clientOf({ open, tpm }: Machine, options: Partial<ClientOptions> = {}): Client {
  const keyStore = new TpmKeyStore({ dir: open.dir, env: tpm.env, timeoutMs: 700 });
  const sign: OpenIdentity["sign"] = (message) => keyStore.sign(open.identity.keyAlias, message);
  const identity = { publicKey: open.publicKey, keyStore, sign };
  const client = createClient({ identity, logger: silent, ...options });
  onTestFinished(() => client.close());
  return client;
}

interface Outage {
  readonly what: string;
  readonly code: ErrorCode;
  /** Returns what ends it. */
  readonly begin: (tpm: SoftwareTpm) => Promise<() => void | Promise<void>>;
}

const killed: Outage = {
  what: "is killed",
  code: "key_store_unavailable",
  begin: async (tpm) => {
    await tpm.kill();
    return () => tpm.start();
  },
};
const waitedFor: readonly Outage[] = [
  {
    what: "hangs",
    code: "key_store_busy",
    begin: async (tpm) => {
      tpm.freeze();
      return () => tpm.thaw();
    },
  },
  {
    what: "is held by another program",
    code: "key_store_busy",
    begin: async (tpm) => {
      const somebody: Socket = await tpm.connect();
      return () => void somebody.destroy();
    },
  },
];
const outages = [killed, ...waitedFor];

/** How a request ends: its status, or the code it fails with; what is not of the catalogue fails the test. */
const outcomeOf = (answer: Promise<Response>): Promise<number | string> =>
  answer.then(
    async (response) => {
      await response.text();
      return response.status;
    },
    (error) => (error instanceof AmeshError ? error.code : String(error)),
  );

/** Requests without a pause, over a few connections, until the test ends. */
class Traffic {
  readonly outcomes = new Map<number | string, number>();
  static readonly connections = 4;
  #stopped = false;

  constructor(client: Client, url: string) {
    const loops = Array.from({ length: Traffic.connections }, async () => {
      while (!this.#stopped) this.#count(await outcomeOf(client.fetch(url)));
    });
    onTestFinished(async () => {
      this.#stopped = true;
      await Promise.all(loops);
    });
  }

  /** Waits for so many more requests with this outcome. */
  async more(outcome: number | string, count: number): Promise<void> {
    const before = this.outcomes.get(outcome) ?? 0;
    await expect
      .poll(() => this.outcomes.get(outcome) ?? 0, { interval: 2, timeout: 10_000 })
      .toBeGreaterThanOrEqual(before + count);
  }

  /** Lets time pass while requests go on with this outcome: none spans more than one step of the clock. */
  async through(seconds: number, outcome: number | string): Promise<void> {
    const step = 20;
    for (let passed = 0; passed < seconds; passed += step) {
      aheadMs += step * 1000;
      await this.more(outcome, 2 * Traffic.connections);
    }
  }

  #count(outcome: number | string): void {
    this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
  }
}

describe.each(outages)("a TPM that $what, in the middle of traffic", ({ code, begin }) => {
  test("is missed by nobody while the delegation lives, and then by its code; all goes on when it is back", async () => {
    const { laptop, server, url } = await pair();
    const warnings: object[] = [];
    const warn = (_: string, fields?: object) => void warnings.push(fields ?? {});
    const traffic = new Traffic(clientOf(laptop, { logger: { ...silent, warn } }), url);
    await traffic.more(200, 50);

    const ends = [await begin(laptop.tpm), await begin(server.tpm)];
    await traffic.through(200, 200);
    await expect.poll(() => warnings.length).toBe(1);
    const [warning] = warnings as { code: string; secondsLeft: number }[];
    expect(warning?.code).toBe(code);
    expect(warning?.secondsLeft).toBeGreaterThan(30);
    await traffic.through(40, 200);
    expect([...traffic.outcomes.keys()]).toEqual([200]);

    aheadMs += 28_000;
    await traffic.more(code, 2 * Traffic.connections);
    for (const end of ends) await end();
    await traffic.more(200, 50);
    expect(new Set(traffic.outcomes.keys())).toEqual(new Set([200, code]));
  });

  test("fails each request by its code without sessions, and none once it is back", async () => {
    const { laptop, url } = await pair();
    const client = clientOf(laptop, { session: false });
    const five = () => Promise.all(Array.from({ length: 5 }, () => outcomeOf(client.fetch(url))));
    expect(new Set(await five())).toEqual(new Set([200]));
    const end = await begin(laptop.tpm);
    expect(new Set(await five())).toEqual(new Set([code]));
    await end();
    expect(new Set(await five())).toEqual(new Set([200]));
  });

  test("fails a client that starts meanwhile by its code, until it is back", async () => {
    const { laptop, url } = await pair();
    const end = await begin(laptop.tpm);
    const client = clientOf(laptop);
    expect(await outcomeOf(client.fetch(url))).toBe(code);
    await end();
    expect(await outcomeOf(client.fetch(url))).toBe(200);
  });

  test("does not keep a server that has its list open from noticing a revocation", async () => {
    const { laptop, server, url } = await pair();
    const client = clientOf(laptop);
    const commandLine = await server.open.openAllowList();
    const end = await begin(server.tpm);
    expect(await outcomeOf(client.fetch(url))).toBe(200);
    const { deviceId } = laptop.open.publicKey;
    await commandLine.update((draft) =>
      revokeDevice(draft, { deviceId, now: Math.floor(Date.now() / 1000) }),
    );
    await expect.poll(() => outcomeOf(client.fetch(url)), { timeout: 2000 }).toBe(401);
    await end();
  });
});

describe("a server that starts while its TPM", () => {
  test("is away lets nobody in, says why, and recovers by itself", async () => {
    const { laptop, server, serveWith } = await pair();
    vi.stubEnv("AMESH_TPM", server.tpm.address);
    const end = await killed.begin(server.tpm);
    const errors: object[] = [];
    const error = (_: string, fields?: object) => void errors.push(fields ?? {});
    const { url } = await serveWith(server.open.dir, { ...silent, error });
    const client = clientOf(laptop);
    expect(await outcomeOf(client.fetch(url))).toBe(500);
    expect(errors[0]).toMatchObject({ code: killed.code });
    await end();
    await expect.poll(() => outcomeOf(client.fetch(url)), { timeout: 5000 }).not.toBe(500);
    expect(await outcomeOf(client.fetch(url))).toBe(401); // its list names another host
  });

  test.each(waitedFor)("$what answers its first request when that is over", async ({ begin }) => {
    const { laptop, server, serveWith } = await pair();
    vi.stubEnv("AMESH_TPM", server.tpm.address);
    const end = await begin(server.tpm);
    const { url } = await serveWith(server.open.dir);
    const first = outcomeOf(clientOf(laptop).fetch(url));
    await end();
    expect(await first).toBe(401);
  });
});

test("twenty clients begin their sessions at one TPM, one after another", async () => {
  const { laptop, url } = await pair();
  const clients = Array.from({ length: 20 }, () => clientOf(laptop));
  const outcomes = await Promise.all(clients.map((client) => outcomeOf(client.fetch(url))));
  expect(new Set(outcomes)).toEqual(new Set([200]));
});
