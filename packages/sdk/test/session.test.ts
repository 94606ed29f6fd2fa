import {
  AmeshError,
  createVerifier,
  fromBase64,
  type IncomingRequest,
  InMemoryNonceStore,
  PrivateKey,
  readDelegation,
  type Sign,
} from "@authmesh/core";
import { type ClientIdentity, type ClientOptions, createClient, verify } from "@authmesh/sdk";
import { describe, expect, onTestFinished, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

/** An identity whose store counts what it is asked for, and may be slow or broken. */
function storedIdentity(sign: (real: Sign) => Sign = (real) => real) {
  const identity = makeIdentity();
  const counts = { signatures: 0 };
  const store = sign(identity.sign);
  return {
    publicKey: identity.publicKey,
    sign: (message: Parameters<Sign>[0]) => {
      counts.signatures++;
      return store(message);
    },
    counts,
  };
}

const clientOf = (identity: ClientIdentity, options: Partial<ClientOptions> = {}) => {
  const client = createClient({ identity, session: true, logger: silent, ...options });
  onTestFinished(() => client.close());
  return client;
};

/** What a client sends, and nothing comes back. */
async function headersSentBy(options: Partial<ClientOptions>, identity: ClientIdentity = makeIdentity()) {
  let headers: Readonly<Record<string, string>> = {};
  const client = createClient({
    identity,
    logger: silent,
    ...options,
    fetch: async (_, init) => {
      headers = init.headers;
      return new Response();
    },
  });
  await client.fetch("http://api.example.com/");
  await client.close();
  return headers;
}

async function protectedServer(trust: MemoryTrust, audience?: string) {
  const guard = verify({ allowList: trust, logger: silent });
  const server = await serve((request, response) =>
    guard(request, response, () =>
      response.end(JSON.stringify((request as unknown as { authMesh: object }).authMesh)),
    ),
  );
  trust.audience = [audience ?? server.host];
  return server;
}

describe("a client with sessions", () => {
  test("is the device to the server, by one signature of its store", async () => {
    const identity = storedIdentity();
    const { url } = await protectedServer(new MemoryTrust().trust(identity));
    const client = clientOf(identity);
    for (let i = 0; i < 20; i++) {
      const response = await client.fetch(url, { method: "POST", body: `${i}` });
      expect(await response.json()).toMatchObject({ deviceId: identity.publicKey.deviceId });
    }
    expect(identity.counts.signatures).toBe(1);
  });

  test("asks the store once for a hundred first requests at once", async () => {
    const identity = storedIdentity();
    const { url } = await protectedServer(new MemoryTrust().trust(identity));
    const client = clientOf(identity);
    const responses = await Promise.all(Array.from({ length: 100 }, () => client.fetch(url)));
    expect(responses.every(({ status }) => status === 200)).toBe(true);
    expect(identity.counts.signatures).toBe(1);
  });

  test("is refused on the next request after it was revoked", async () => {
    const identity = storedIdentity();
    const trust = new MemoryTrust().trust(identity);
    const { url } = await protectedServer(trust);
    const client = clientOf(identity);
    expect((await client.fetch(url)).status).toBe(200);
    trust.revoked.add(identity.publicKey.deviceId);
    expect((await client.fetch(url)).status).toBe(401);
    expect(identity.counts.signatures).toBe(1);
  });

  test("shows its audience in the delegation, and is refused where it is not named", async () => {
    const identity = storedIdentity();
    const trust = new MemoryTrust().trust(identity);
    const { url, host } = await protectedServer(trust);
    expect((await clientOf(identity, { audience: ["other.example", host] }).fetch(url)).status).toBe(200);
    const other = await protectedServer(trust, "other.example");
    expect((await clientOf(identity, { audience: other.host }).fetch(other.url)).status).toBe(401);
    const sent = await headersSentBy({ session: true, audience: "API.Example.com" });
    expect(readDelegation(sent["AuthMesh-Delegation"] as string)).toMatchObject({
      audience: ["api.example.com"],
    });
  });

  test("follows redirects with a proof of their own", async () => {
    const identity = storedIdentity();
    const guard = verify({ allowList: new MemoryTrust().trust(identity), logger: silent });
    const { url } = await serve((request, response) =>
      guard(request, response, () =>
        request.url === "/from" ? response.writeHead(307, { Location: "/to" }).end() : response.end("there"),
      ),
    );
    expect(await (await clientOf(identity).fetch(`${url}/from`)).text()).toBe("there");
  });

  test("lets nobody else set the header", async () => {
    const headers = { "authmesh-delegation": "x" };
    await expect(clientOf(makeIdentity()).fetch("http://a.example", { headers })).rejects.toThrow(TypeError);
  });

  test("sends nothing to a host outside of its audience, with or without sessions", async () => {
    const sent: string[] = [];
    const fetch = async (url: string) => {
      sent.push(url);
      return new Response();
    };
    for (const session of [true, false]) {
      const identity = storedIdentity();
      const client = clientOf(identity, { session, audience: ["api.example.com", "localhost:3000"], fetch });
      for (const url of ["http://other.example/", "https://api.example.com:8443/", "http://localhost/"])
        await expect(client.fetch(url)).rejects.toMatchObject({
          code: "host_mismatch",
          message: expect.stringContaining("api.example.com, localhost:3000"),
        });
      expect({ sent, signatures: identity.counts.signatures }).toEqual({ sent: [], signatures: 0 });
      await client.fetch("https://API.example.com:443/");
      await client.fetch("http://localhost:3000/");
      expect(sent.splice(0)).toHaveLength(2);
    }
  });

  test.each([
    ["an audience that is not made of hosts", { audience: "https://api.example.com/" }],
    ["an audience without hosts", { audience: [] }],
    ["a session that is neither true nor false", { session: "yes" }],
    ["no session at all, spelt null", { session: null }],
    ["an option that there is not", { sessions: true }],
  ])("refuses %s", (_, options) => {
    expect(() => createClient(options as ClientOptions)).toThrow(TypeError);
  });

  test("goes on though its logger fails", async () => {
    let now = 1_743_160_800_000;
    const identity = storedIdentity((real) => async (message) => {
      if (identity.counts.signatures > 1) throw new AmeshError("key_store_unavailable", "It is gone.");
      return real(message);
    });
    let warnings = 0;
    const warn = () => {
      warnings++;
      throw new Error("The disk with the log is full.");
    };
    const unhandled: unknown[] = [];
    const note = (reason: unknown) => unhandled.push(reason);
    process.on("unhandledRejection", note);
    onTestFinished(() => void process.off("unhandledRejection", note));
    const fetch = async () => new Response();
    const client = clientOf(identity, { logger: { ...silent, warn }, now: () => now, fetch });
    await client.fetch("http://api.example.com/");
    now += 200_000;
    await client.fetch("http://api.example.com/");
    await new Promise((resolve) => setImmediate(resolve));
    expect(warnings).toBe(1);
    expect(unhandled).toEqual([]);
  });

  test.each([true, false])(
    "waits for its key store no longer than a signal allows (session: %s)",
    async (session) => {
      const controller = new AbortController();
      const sign = () => {
        queueMicrotask(() => controller.abort(new Error("enough")));
        return new Promise<never>(() => {});
      };
      const client = clientOf({ ...makeIdentity(), sign }, { session });
      const answer = client.fetch("http://api.example.com/", { signal: controller.signal });
      await expect(answer).rejects.toThrow("enough");
    },
  );
});

describe("sessions are on", () => {
  const info = (name: string) => ({ keyStore: { info: { name, label: name, protection: "" } } });

  test.each<[string, Partial<ClientOptions>, object, boolean]>([
    ["for a key store that is slow", {}, info("tpm"), true],
    ["not for the encrypted file", {}, info("encrypted-file"), false],
    ["not for an identity of one's own making", {}, {}, false],
    ["for any when asked for", { session: true }, info("encrypted-file"), true],
    ["not when switched off", { session: false }, info("tpm"), false],
  ])("%s", async (_, options, more, expected) => {
    const identity = { ...makeIdentity(), ...more };
    const headers = await headersSentBy(options, identity);
    expect(headers["AuthMesh-Delegation"] !== undefined).toBe(expected);
    const id = /id="([^"]+)"/.exec(headers["Authorization"] as string)?.[1];
    expect(fromBase64(id as string)).toHaveLength(33);
    expect(id === identity.publicKey.base64).toBe(!expected);
  });
});

describe("ten thousand requests over ten lives of a delegation", () => {
  test("are all accepted, and none but the first waits for the store", async () => {
    const start = 1_743_160_800_000;
    let now = start;
    // The store answers half a minute after it was asked, by a clock that only requests move.
    const waiting: { readonly at: number; readonly go: () => void }[] = [];
    const identity = storedIdentity((real) => async (message) => {
      if (now > start) await new Promise<void>((go) => waiting.push({ at: now + 30_000, go }));
      return real(message);
    });
    const verifier = createVerifier({
      trust: new MemoryTrust().trust(identity),
      nonces: new InMemoryNonceStore({ maxNonces: 100_000 }),
      audience: "api.example.com",
      now: () => now,
    });
    const outcomes = new Map<string, number>();
    const fetch: ClientOptions["fetch"] = async (_, { method, headers }) => {
      const decision = await verifier(incoming(method, headers));
      const outcome = decision.allowed ? "allowed" : decision.failure.detail;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      return new Response();
    };
    const client = clientOf(identity, { fetch, now: () => now });
    for (let i = 0; i < 10_000; i++) {
      await client.fetch("http://api.example.com/"); // one that waited would wait for ever
      now += 300;
      for (const { go } of waiting.splice(0, waiting.filter(({ at }) => at <= now).length)) go();
    }
    expect(Object.fromEntries(outcomes)).toEqual({ allowed: 10_000 });
    expect(identity.counts.signatures).toBeGreaterThanOrEqual(10);
    expect(identity.counts.signatures).toBeLessThanOrEqual(20);
  }, 60_000);
});

function incoming(method: string, sent: Readonly<Record<string, string>>): IncomingRequest {
  const headers = new Map(Object.entries(sent).map(([name, value]) => [name.toLowerCase(), [value]]));
  headers.set("host", ["api.example.com"]);
  return {
    method,
    target: "/",
    headers: (name) => headers.get(name) ?? [],
    hasBody: false,
    bodyHash: () => Promise.reject(new AmeshError("body_incomplete")),
  };
}

describe("close", () => {
  test("leaves no timer, and none keeps the process alive before", async () => {
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    const key = PrivateKey.generate();
    const client = clientOf(
      { publicKey: key.publicKey, sign: async (message) => key.sign(message) },
      { fetch: async () => new Response() },
    );
    await client.fetch("http://api.example.com/");
    expect(timers()).toBe(before);
    await client.close();
    await expect(client.fetch("http://api.example.com/")).rejects.toThrow(TypeError);
  });

  test("refuses a request whose body was still coming, and asks the key store for nothing more", async () => {
    const identity = storedIdentity();
    const client = clientOf(identity, { fetch: async () => new Response() });
    let end = () => {};
    const start: UnderlyingDefaultSource["start"] = (stream) => {
      end = () => stream.close();
    };
    const body = new ReadableStream({ start });
    const answer = client.fetch("http://api.example.com/", { method: "POST", body });
    await client.close();
    end();
    await expect(answer).rejects.toThrow(TypeError);
    expect(identity.counts.signatures).toBe(0);
  });
});
