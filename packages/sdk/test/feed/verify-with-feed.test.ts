import { once } from "node:events";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Decision, PublicKey } from "@authmesh/core";
import {
  createIdentity,
  finishMigration,
  forgetPrevious,
  type OpenIdentity,
  openIdentity,
  prepareRotation,
} from "@authmesh/keystore";
import { mintToken, staticKeys } from "@authmesh/oath";
import { feedTokenId } from "@authmesh/oath/feed";
import {
  createClient,
  type Logger,
  requireScope,
  type VerifyOptions,
  type VerifyTokenOptions,
  verify,
  verifyToken,
} from "@authmesh/sdk";
import { closeFeeds, FeedFiles, feedStatuses } from "@authmesh/sdk/feed";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { FeedAuthority, newFeedSigner } from "../../../oath/test/fixtures/feed-authority.js";
import { feedDevice } from "../../../oath/test/fixtures/feed-devices.js";
import { HttpServer } from "../../../oath/test/fixtures/http-server.js";
import { MemoryTrust, makeIdentity, silent } from "../fixtures/pair.js";
import { serve } from "../fixtures/servers.js";

const folder = mkdtempSync(join(tmpdir(), "amesh-feed-"));
const dir = join(folder, "server");
const env = { AUTH_MESH_PASSPHRASE: "of the tests" };
const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
const caller = makeIdentity();
const client = createClient({ identity: caller });
const enrolled = (publicKey: PublicKey, more: Parameters<typeof feedDevice>[1] = {}) =>
  feedDevice("shop/till-1", { key: publicKey.bytes, ...more });
const device = enrolled(caller.publicKey);
let server: OpenIdentity;
let authority: FeedAuthority;
let http: HttpServer;

beforeAll(async () => {
  vi.stubEnv("AUTH_MESH_PASSPHRASE", env.AUTH_MESH_PASSPHRASE);
  await createIdentity({ dir, env, friendlyName: "server", argon2 });
  server = await openIdentity({ dir, env });
});

beforeEach(async () => {
  rmSync(join(dir, "feeds"), { recursive: true, force: true });
  authority = new FeedAuthority("@acme", Date.now);
  http = await HttpServer.start(authority.answer, onTestFinished);
  authority.iss = http.url;
  await authority.change(device.added);
});

afterEach(async () => {
  await closeFeeds();
  authority.cut();
});

afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

async function start(options: VerifyOptions = {}) {
  const decisions: Decision[] = [];
  const seen: unknown[] = [];
  const guard = verify({
    allowList: dir,
    logger: silent,
    authority: { url: http.url, key: authority.first.publicJwk.kid },
    account: "@acme",
    onDecision: (decision) => void decisions.push(decision),
    ...options,
  });
  const { url } = await serve((request, response) =>
    guard(request, response, () => {
      seen.push((request as { authMesh?: unknown }).authMesh);
      response.end("in");
    }),
  );
  const call = async (path = "/orders") => (await client.fetch(`${url}${path}`)).status;
  const reason = () => {
    const last = decisions.at(-1);
    return last === undefined || last.allowed ? undefined : last.failure.code;
  };
  return { call, reason, seen, url };
}

/** A verifier of the authority's tokens, which follows their feed and the account's; `tokens` is the former. */
async function startForTokens(options: Partial<VerifyTokenOptions>) {
  const tokens = new FeedAuthority("tokens", Date.now);
  Object.assign(tokens, { iss: http.url, signer: authority.signer, first: authority.first });
  await tokens.change(["token", feedTokenId({ by: "jti", value: "nobody" }), { at: 5 }]);
  onTestFinished(() => tokens.cut());
  http.answer = (response, request) =>
    (request.url?.includes("/tokens/") ? tokens : authority).answer(response, request);
  vi.stubEnv("AUTH_MESH_DIR", dir);
  const issuer = newFeedSigner();
  const keys = staticKeys({ [http.url]: { keys: [issuer.publicJwk] } });
  const gate = verifyToken({
    audience: "orders",
    trustedIssuers: [http.url],
    keys: { find: (_, kid) => keys.find(http.url, kid) },
    policy: "none",
    tokenUse: "until-expiry",
    authority: { url: http.url, key: authority.key },
    account: "@acme",
    logger: silent,
    ...options,
  });
  const atStart = feedStatuses();
  const { url } = await serve((request, response) => gate(request, response, () => response.end("in")));
  const mint = async (sub: string, tenant = "@acme", iss = http.url) => {
    const claims = { sub, tenant, aud: "orders", act: "orders.list" };
    return (await mintToken(claims, { issuer: iss, signer: issuer })).token;
  };
  const call = async (token: string) =>
    (await fetch(url, { headers: { authorization: `OathMesh ${token}` } })).status;
  return { tokens, mint, call, atStart };
}

const until = (condition: () => unknown) =>
  expect.poll(async () => Boolean(await condition()), { interval: 5, timeout: 5000 }).toBe(true);

const remembering = () => {
  const lines: string[] = [];
  const write = (message: string) => void lines.push(message);
  const logger: Logger = { debug() {}, info() {}, warn: write, error: write };
  return { lines, logger };
};

describe("a verifier with an authority", () => {
  it("lets in whom the feed vouches for, with their scopes, until they are revoked", async () => {
    const { call, reason, seen } = await start({ scope: "orders:w" });
    expect(await call()).toBe(200);
    expect(seen).toMatchObject([
      { deviceId: device.id, friendlyName: "shop/till-1", scopes: { orders: "rw" } },
    ]);
    await authority.change(device.revoked);
    await until(async () => (await call()) === 401);
    expect(reason()).toBe("device_revoked");
    await authority.change(device.unrevoked, enrolled(caller.publicKey, { scopes: { orders: "r" } }).added);
    await until(async () => (await call()) === 403);
    expect(reason()).toBe("scope_missing");
  });

  it("signs what it asks the authority as this machine", async () => {
    const ids: string[] = [];
    http.answer = (response, request) => {
      ids.push(request.headers.authorization ?? "");
      authority.answer(response, request);
    };
    await (await start()).call();
    expect(ids.every((id) => id.includes(server.publicKey.base64))).toBe(true);
  });

  it("refuses everybody while the copy is too old, and says so", async () => {
    authority.pushes = false;
    const { call, reason } = await start({ maxStale: 1 });
    expect(await call()).toBe(200);
    await http.stop();
    await until(async () => (await call()) === 503);
    expect(reason()).toBe("trust_stale");
    expect(feedStatuses()).toMatchObject([{ feed: "@acme", stale: true, connected: false }]);
  });

  it.each([["099"], ["999"]])("outlives an answer of status %s in the authority's place", async (status) => {
    const odd = createServer((socket) => {
      socket.on("error", () => {});
      socket.end(`HTTP/1.1 ${status} Odd\r\ncontent-length: 0\r\n\r\n`);
    }).listen(0, "127.0.0.1");
    onTestFinished(() => void odd.close());
    await once(odd, "listening");
    const authorityUrl = `http://127.0.0.1:${(odd.address() as AddressInfo).port}`;
    const { call, reason } = await start({ authority: authorityUrl });
    expect(await call()).toBe(503);
    expect(reason()).toBe("trust_stale");
    expect(feedStatuses()).toMatchObject([{ problem: { code: "authority_unreachable" } }]);
  });

  it("refuses everybody where there never was a copy", async () => {
    await http.stop();
    const { call, reason } = await start();
    expect(await call()).toBe(503);
    expect(reason()).toBe("trust_stale");
  });

  it("goes on with what it kept after a restart without the authority", async () => {
    const first = await start();
    expect(await first.call()).toBe(200);
    await closeFeeds();
    await http.stop();
    expect(readdirSync(join(dir, "feeds")).filter((name) => name.endsWith(".copy"))).toHaveLength(1);
    const second = await start();
    expect(await second.call()).toBe(200);
    const files = await FeedFiles.of(server);
    expect(files.list()).toMatchObject({
      copies: [{ iss: http.url, feed: "@acme", epoch: 1, number: 1 }],
      pins: [{ url: http.url, key: authority.first.publicJwk }],
      problems: [],
    });
  });

  it("asks by the key that its identity moved to once the old one is refused, and keeps what it knows under that", async () => {
    const moving = join(folder, "moving");
    const where = { dir: moving, env, argon2 };
    const { identity: old } = await createIdentity({ ...where, friendlyName: "moving" });
    let refused = "";
    http.answer = (response, request) => {
      const { authorization = "" } = request.headers;
      if (refused !== "" && authorization.includes(refused)) response.writeHead(401).end();
      else authority.answer(response, request);
    };
    const { lines, logger } = remembering();
    const { call } = await start({ allowList: moving, authority: http.url, logger });
    expect(await call()).toBe(200);
    await until(() => readdirSync(join(moving, "feeds")).some((name) => name.endsWith(".pin")));
    await prepareRotation(where);
    await finishMigration(where);
    const open = await openIdentity(where);
    await until(async () => (await call()) === 200);
    refused = old.publicKey;
    authority.cut();
    await until(() => lines.some((line) => line.endsWith(`as ${open.identity.deviceId} from now on`)));
    await authority.change(device.revoked);
    await until(async () => (await call()) === 401);
    await closeFeeds();
    expect((await FeedFiles.of(open)).list()).toMatchObject({
      copies: [{ feed: "@acme", number: 2 }],
      pins: [{ url: http.url }],
      problems: [],
    });
  });

  it("asks by no key that only stands in its folder", async () => {
    const [attacked, planted] = [join(folder, "attacked"), join(folder, "planted")];
    for (const dir of [attacked, planted]) await createIdentity({ dir, env, argon2, friendlyName: "server" });
    const { publicKey } = (await openIdentity({ dir: planted, env })).identity;
    const { call } = await start({ allowList: attacked });
    expect(await call()).toBe(200);
    await until(() => authority.streams.size === 1);
    await authority.pulse();
    await until(() => feedStatuses()[0]?.connected);
    for (const name of ["identity.json", "device.key"]) cpSync(join(planted, name), join(attacked, name));
    const seen: string[] = [];
    http.answer = (response, { headers }) => {
      seen.push(headers.authorization ?? "");
      response.writeHead(401).end();
    };
    authority.cut();
    await until(() => seen.length > 1);
    expect(seen.some((authorization) => authorization.includes(publicKey))).toBe(false);
  });

  it("leaves a copy aside that somebody changed", async () => {
    expect(await (await start()).call()).toBe(200);
    await closeFeeds();
    await http.stop();
    const [name = ""] = readdirSync(join(dir, "feeds")).filter((each) => each.endsWith(".copy"));
    const path = join(dir, "feeds", name);
    writeFileSync(path, readFileSync(path, "utf8").replace("till-1", "till-2"));
    const { lines, logger } = remembering();
    expect(await (await start({ logger })).call()).toBe(503);
    expect(lines.join("\n")).toContain("left aside");
  });

  it("pins the key of a bare URL at first sight, and refuses another one after a restart", async () => {
    const { lines, logger } = remembering();
    const bare = { authority: http.url, logger };
    expect(await (await start(bare)).call()).toBe(200);
    expect(lines.join("\n")).toContain(`the feed key ${authority.key} of ${http.url} is pinned`);
    await until(() => readdirSync(join(dir, "feeds")).some((name) => name.endsWith(".pin")));
    await closeFeeds();
    const files = await FeedFiles.of(server);
    for (const name of readdirSync(join(dir, "feeds")))
      if (name.endsWith(".copy")) rmSync(join(dir, "feeds", name));
    Object.assign(authority, { signer: newFeedSigner() });
    Object.assign(authority, { first: authority.signer });
    expect(await (await start(bare)).call()).toBe(503);
    expect(feedStatuses()).toMatchObject([{ problem: { code: "feed_key_changed" } }]);
    await closeFeeds();
    await files.forget(http.url);
    expect(await (await start(bare)).call()).toBe(200);
  });

  it("refuses a pin that somebody changed, and everybody with it", async () => {
    expect(await (await start({ authority: http.url })).call()).toBe(200);
    await until(() => readdirSync(join(dir, "feeds")).some((name) => name.endsWith(".pin")));
    await closeFeeds();
    const [name = ""] = readdirSync(join(dir, "feeds")).filter((each) => each.endsWith(".pin"));
    writeFileSync(join(dir, "feeds", name), `{}\n${"A".repeat(43)}\n`);
    const { call, reason } = await start({ authority: http.url });
    expect(await call()).toBe(503);
    expect(reason()).toBe("feed_copy_damaged");
  });

  describe("stopped while its identity moves to another key", () => {
    /** What is kept of a bare URL, changed by `change`, and then handed over. */
    async function moved(change: (feeds: string) => void) {
      const moving = mkdtempSync(join(folder, "stopped-"));
      const where = { dir: moving, env, argon2 };
      await createIdentity({ ...where, friendlyName: "stopped" });
      const bare = { allowList: moving, authority: http.url };
      expect(await (await start(bare)).call()).toBe(200);
      const feeds = join(moving, "feeds");
      await until(() => readdirSync(feeds).some((name) => name.endsWith(".pin")));
      await closeFeeds();
      change(feeds);
      await prepareRotation(where);
      await finishMigration(where);
      await forgetPrevious(where);
      return bare;
    }

    it("believes what it kept, without the authority too, and no other feed key than it pinned", async () => {
      const bare = await moved(() => {});
      await http.stop();
      expect(await (await start(bare)).call()).toBe(200);
      await closeFeeds();
      const pin = (await FeedFiles.of(await openIdentity({ dir: bare.allowList, env }))).readPin(http.url);
      expect(pin).toMatchObject({ key: authority.first.publicJwk, from: "" });
    });

    it("still refuses a pin that was changed before", async () => {
      const bare = await moved((feeds) => {
        const [name = ""] = readdirSync(feeds).filter((each) => each.endsWith(".pin"));
        const path = join(feeds, name);
        const [pin = "", seal = ""] = readFileSync(path, "utf8").split("\n");
        const planted = { ...JSON.parse(pin), key: newFeedSigner().publicJwk };
        writeFileSync(path, `${JSON.stringify(planted)}\n${seal}\n`);
      });
      const { call, reason } = await start(bare);
      expect(await call()).toBe(503);
      expect(reason()).toBe("feed_copy_damaged");
    });
  });

  it("says once that it pinned a key, however many feeds it follows", async () => {
    const { lines, logger } = remembering();
    const { mint, call } = await startForTokens({ authority: http.url, logger });
    expect(await call(await mint("svc://acme/shop/till-1"))).toBe(200);
    expect(feedStatuses()).toHaveLength(2);
    expect(lines.filter((line) => line.includes("is pinned at first sight"))).toHaveLength(1);
  });

  it.each([
    ["a rotation", { rotates: true }],
    ["none", { rotates: false }],
  ])("remembers after %s how far it came, so that an old key leads nowhere", async (_, { rotates }) => {
    const stolen = authority.signer;
    if (rotates) await authority.rotate();
    const { call } = await start();
    expect(await call()).toBe(200);
    await until(() => readdirSync(join(dir, "feeds")).some((name) => name.endsWith(".pin")));
    const pin = (await FeedFiles.of(server)).readPin(http.url);
    expect(pin).toMatchObject({
      key: authority.signer.publicJwk,
      seq: rotates ? 1 : 0,
      from: stolen.publicJwk.kid,
    });
  });

  describe("after the feed key was rotated", () => {
    const copyPath = () => {
      const [name = ""] = readdirSync(join(dir, "feeds")).filter((each) => each.endsWith(".copy"));
      return join(dir, "feeds", name);
    };
    const started = (key: string, logger = silent) => start({ authority: { url: http.url, key }, logger });
    const isPinned = async () =>
      (await FeedFiles.of(server)).list().pins.some(({ key }) => key.kid === authority.key);

    it.each([
      ["runs beside it", true],
      ["starts while it is down", false],
    ])("decides by the copy that a neighbour with a later key keeps, which %s", async (_, beside) => {
      const given = authority.key;
      expect(await (await started(given)).call()).toBe(200);
      if (!beside) await closeFeeds();
      await authority.rotate();
      authority.cut();
      expect(await (await started(authority.key)).call()).toBe(200);
      await until(isPinned);
      await closeFeeds();
      await http.stop();
      expect(await (await started(given)).call()).toBe(200);
    });

    it("decides by no copy that was believed by the old key, whichever key it is given", async () => {
      const given = authority.key;
      expect(await (await started(given)).call()).toBe(200);
      await closeFeeds();
      const stolen = readFileSync(copyPath());
      await authority.rotate();
      expect(await (await started(given)).call()).toBe(200);
      await until(isPinned);
      await closeFeeds();
      await http.stop();
      for (const key of [given, authority.key]) {
        writeFileSync(copyPath(), stolen);
        const { lines, logger } = remembering();
        expect(await (await started(key, logger)).call()).toBe(503);
        expect(lines.join("\n")).toContain(`it was believed by the key ${given}`);
        await closeFeeds();
      }
    });
  });

  it("is told wrongly by options that make no sense", () => {
    const key = authority.key;
    for (const options of [
      { account: "@acme" },
      { authority: "https://a.example" },
      { authority: "http://a.example", account: "@acme" },
      { authority: "https://a.example/", account: "@acme" },
      { authority: "https://A.example", account: "@acme" },
      { authority: "https://a.example:443", account: "@acme" },
      { authority: { url: "https://a.example/feeds", key }, account: "@acme" },
      { authority: { url: "https://a.example", key: "x" }, account: "@acme" },
      { authority: { url: "https://a.example", key }, account: "acme" },
      { authority: { url: "https://a.example", key }, account: "@acme", maxStale: 0 },
      { maxStale: 60 },
      { scope: null },
      { scope: ["orders:r"] },
      { authority: null, account: "@acme" },
      { authority: ["https://a.example"], account: "@acme" },
      { authority: { url: "https://a.example", key: [key] }, account: "@acme" },
      { authority: "https://a.example", account: ["@acme"] },
    ])
      expect(() => verify(options as VerifyOptions)).toThrow(
        expect.toSatisfy((error) => error instanceof TypeError && !error.message.includes("null")),
      );
    expect(() => verifyToken({ autority: "https://a.example" } as never)).toThrow(
      /^autority is not an option; there are: algorithms, .*account, .*authority, .*maxStale, .*onDecision/,
    );
    expect(() => requireScope("orders:rw")).toThrow("a route asks for orders:r or orders:w");
  });
});

describe("the list and the feed, united", () => {
  it("let in whom one of them knows, and nobody whom one of them revoked", async () => {
    const stranger = makeIdentity();
    const allowList = new MemoryTrust().trust(stranger);
    vi.stubEnv("AUTH_MESH_DIR", dir);
    const { call, url } = await start({ allowList });
    expect(await call()).toBe(200);
    expect((await createClient({ identity: stranger }).fetch(url)).status).toBe(200);
    allowList.revoked.add(device.id);
    expect(await call()).toBe(401);
  });

  it.each([
    ["narrowed to both", { scopes: { orders: "rw" } } as const, 403],
    ["the feed's where the list says nothing", { unscoped: true }, 200],
    ["none where the list says none", { scopes: {} }, 403],
  ])("give a device that both know scopes %s", async (_, entry, status) => {
    vi.stubEnv("AUTH_MESH_DIR", dir);
    await authority.change(enrolled(caller.publicKey, { scopes: { profile: "r", orders: "r" } }).added);
    const scope = status === 200 ? "profile:r" : "orders:w";
    const { call } = await start({ allowList: new MemoryTrust().trust(caller, entry), scope });
    expect(await call()).toBe(status);
  });

  it("end an entry with the earlier of both", async () => {
    vi.stubEnv("AUTH_MESH_DIR", dir);
    await authority.change(enrolled(caller.publicKey, { expiresAt: 1_700_000_000 }).added);
    const { call, reason } = await start({
      allowList: new MemoryTrust().trust(caller, { expiresAt: 4_000_000_000 }),
    });
    expect(await call()).toBe(401);
    expect(reason()).toBe("entry_expired");
  });

  it("refuse a device that left the feed, whatever the list says of it, until it is in it again", async () => {
    vi.stubEnv("AUTH_MESH_DIR", dir);
    const own = enrolled(caller.publicKey, {});
    await authority.change(own.removed, own.ended);
    const { call, reason } = await start({ allowList: new MemoryTrust().trust(caller, { unscoped: true }) });
    expect(await call()).toBe(401);
    expect(reason()).toBe("enrollment_ended");
    await until(() => authority.streams.size > 0);
    await authority.change(own.added);
    await until(async () => (await call()) === 200);
  });
});

describe("a verifier of tokens with an authority", () => {
  it("follows the feeds from its start on, so that a health check says yes before anybody calls", async () => {
    const { atStart } = await startForTokens({});
    expect(atStart.map(({ problem }) => problem?.detail)).toEqual([
      `${http.url} was not asked for tokens yet.`,
      `${http.url} was not asked for @acme yet.`,
    ]);
    await until(() => feedStatuses().every(({ stale }) => !stale));
  });

  it("tries again by itself where it cannot begin", async () => {
    const late = join(folder, "late");
    vi.stubEnv("AUTH_MESH_DIR", late);
    const { lines, logger } = remembering();
    verify({ logger, allowList: new MemoryTrust(), authority: http.url, account: "@acme" });
    await until(() => lines.some((line) => line.startsWith(`@acme of ${http.url} cannot be followed`)));
    expect(feedStatuses()).toMatchObject([{ stale: true, problem: { code: "verifier_not_ready" } }]);
    await createIdentity({ dir: late, env, friendlyName: "late", argon2 });
    // With pauses of 1, 2 and 4 s, for a machine that is slow to make the identity.
    await expect.poll(() => feedStatuses().every(({ stale }) => !stale), { timeout: 15_000 }).toBe(true);
  }, 20_000);

  it("refuses what the authority revokes, and a device's tokens once the device is, known tokens too", async () => {
    const { tokens, mint, call } = await startForTokens({});
    const [own, foreign] = [await mint("svc://acme/shop/till-1"), await mint("svc://billing/worker")];
    expect([await call(own), await call(foreign)]).toEqual([200, 200]);
    expect(await call(await mint("svc://other/shop/till-1", "@other"))).toBe(401);
    await authority.change(device.revoked);
    await until(async () => (await call(own)) === 401);
    expect(await call(foreign)).toBe(200);
    await tokens.change(["token", feedTokenId({ by: "sub", value: "svc://billing/worker" }), { at: 6 }]);
    await until(async () => (await call(foreign)) === 401);
  });

  it.each([
    ["with a closing slash", (url: string) => `${url}/`],
    ["in capitals", (url: string) => url.replace("http:", "HTTP:")],
  ])("takes no authority's URL %s, by which no token names it", async (_, spelt) => {
    const url = spelt(http.url);
    await expect(startForTokens({ authority: url, trustedIssuers: [http.url, url] })).rejects.toThrow(
      `is not an origin, such as ${http.url}`,
    );
  });

  it("takes no authority that it does not trust, of whose tokens the feed would say nothing", async () => {
    await expect(startForTokens({ authority: "https://another.example" })).rejects.toThrow(
      "https://another.example is none of trustedIssuers",
    );
  });

  it("says of other trusted issuers' tokens nothing", async () => {
    const other = "https://other.example";
    const { mint, call } = await startForTokens({ trustedIssuers: [http.url, other] });
    expect(await call(await mint("svc://job", "@other", other))).toBe(200);
    expect(await call(await mint("svc://job", "@other"))).toBe(401);
  });
});
