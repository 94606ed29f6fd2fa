import { gzipSync } from "node:zlib";
import { AmeshError, fromBase64Url, utf8 } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { fetchJson } from "../src/issuer/fetch-json.js";
import { readJwkSet } from "../src/issuer/jwk-set.js";
import { maxAgeOf } from "../src/issuer/max-age.js";
import {
  createJwksSource,
  type ImportKey,
  type JwksEvent,
  type JwksSourceOptions,
} from "../src/jwks-source.js";
import { mintToken } from "../src/mint-token.js";
import { createEd25519Signer } from "../src/signers.js";
import { type Answer, HttpServer, json, ManualClock } from "./fixtures/http-server.js";

interface Key {
  readonly kid: string;
  readonly x: string;
}

const importKey: ImportKey<Key> = ({ kid, kty, x }) =>
  kty === "OKP" && typeof x === "string"
    ? { key: { kid: String(kid), x } }
    : { problem: "it is another kind" };
const jwk = (kid: string) => ({ kty: "OKP", crv: "Ed25519", kid, x: `x of ${kid}` });
const keySet = (...kids: string[]) => ({ keys: kids.map(jwk) });
const unreachable = expect.objectContaining({ code: "issuer_unreachable" });
const hour = 3600;

async function scene(answer: Answer, options: Partial<JwksSourceOptions> = {}) {
  const clock = new ManualClock();
  const server = await HttpServer.start(answer, onTestFinished);
  const events: JwksEvent[] = [];
  const { now, monotonic, schedule } = clock;
  const observe = (event: JwksEvent) => void events.push(event);
  const source = createJwksSource({
    ...{ issuers: [server.url], importKey, now, monotonic, schedule, observe },
    ...options,
  });
  onTestFinished(() => source.close());
  const find = async (kid: string) => (await source.find(server.url, kid))?.x;
  /** Resolves when as many fetches as that have ended. */
  const ended = (fetches: number) => expect.poll(() => events.length, { interval: 2 }).toBe(fetches);
  return { clock, server, source, events, find, ended };
}

describe("the keys of an issuer", () => {
  it("are fetched once for all who ask at once, and are at hand for those who ask later", async () => {
    const { server, source, find } = await scene(json(keySet("a", "b")));
    const found = await Promise.all(Array.from({ length: 100 }, (_, i) => find(i % 2 ? "a" : "b")));
    expect(new Set(found)).toEqual(new Set(["x of a", "x of b"]));
    expect(source.find(server.url, "a")).toEqual({ kid: "a", x: "x of a" });
    expect(server.asked).toEqual(["/.well-known/jwks.json"]);
  });

  it("are at hand from the start after preWarm", async () => {
    const { server, source } = await scene(json(keySet("a")));
    await source.preWarm();
    expect(source.find(server.url, "a")).toEqual({ kid: "a", x: "x of a" });
    expect(server.asked).toHaveLength(1);
  });

  it("are not known of an issuer that is not trusted, and nobody is asked", async () => {
    const { server, source } = await scene(json(keySet("a")));
    expect(source.find(`${server.url}/`, "a")).toBeUndefined();
    expect(source.find("__proto__", "a")).toBeUndefined();
    expect(server.asked).toEqual([]);
  });

  it("are fetched ahead of their age, without a caller", async () => {
    const { clock, server, source, ended } = await scene(
      json(keySet("a"), { "cache-control": "max-age=600" }),
    );
    await source.preWarm();
    clock.pass(479);
    expect(server.asked).toHaveLength(1);
    clock.pass(1);
    await ended(2);
    clock.pass(480);
    await ended(3);
    expect(source.find(server.url, "a")).toBeDefined();
  });

  it("are accepted while they overlap, and the old one no more once it has left the set", async () => {
    const { clock, server, source, find, ended } = await scene(json(keySet("old")));
    await source.preWarm();
    server.answer = json(keySet("old", "new"));
    clock.pass(240);
    await ended(2);
    expect([await find("old"), await find("new")]).toEqual(["x of old", "x of new"]);
    server.answer = json(keySet("new"));
    clock.pass(240);
    await ended(3);
    expect([await find("old"), await find("new")]).toEqual([undefined, "x of new"]);
  });

  it("are looked for at once when a new one comes without overlap", async () => {
    const { server, source, find } = await scene(json(keySet("old")));
    await source.preWarm();
    server.answer = json(keySet("new"));
    const found = await Promise.all(Array.from({ length: 50 }, () => find("new")));
    expect(new Set(found)).toEqual(new Set(["x of new"]));
    expect(server.asked).toHaveLength(2);
  });

  it("are looked at before use after a sleep in which no timer rang", async () => {
    const { clock, server, source, find } = await scene(json(keySet("a")));
    await source.preWarm();
    server.answer = json(keySet());
    clock.sleep(hour);
    expect(await find("a")).toBeUndefined();
  });

  it("keep no process alive between two fetches", async () => {
    const server = await HttpServer.start(json(keySet("a")), onTestFinished);
    const timers = () => process.getActiveResourcesInfo().filter((each) => each === "Timeout").length;
    const before = timers();
    const source = createJwksSource({ issuers: [server.url], importKey });
    onTestFinished(() => source.close());
    await source.preWarm();
    // Those of before may end meanwhile.
    expect(timers()).toBeLessThanOrEqual(before);
  });

  it("are fetched no more after close", async () => {
    const { clock, source } = await scene(json(keySet("a")));
    await source.preWarm();
    expect(clock.timers).toBe(1);
    source.close();
    expect(clock.timers).toBe(0);
  });
});

describe("a key that is in no set", () => {
  it("costs one fetch in 30 s, however many are asked for by however many callers", async () => {
    const { clock, server, source, find } = await scene(json(keySet("a")));
    await source.preWarm();
    const flood = (name: string) => Promise.all(Array.from({ length: 2000 }, (_, i) => find(`${name} ${i}`)));
    expect(new Set(await flood("first"))).toEqual(new Set([undefined]));
    expect(server.asked).toHaveLength(2);
    clock.pass(29);
    await flood("second");
    expect(server.asked).toHaveLength(2);
    clock.pass(1);
    await flood("third");
    expect(server.asked).toHaveLength(3);
    expect(source.find(server.url, "a")).toBeDefined();
  });

  it("is not called unknown while the issuer cannot be asked", async () => {
    const { server, source, find } = await scene(json(keySet("a")));
    await source.preWarm();
    await server.stop();
    await expect(find("new")).rejects.toEqual(unreachable);
    await expect(find("newer")).rejects.toEqual(unreachable);
    expect(source.find(server.url, "a")).toBeDefined();
  });
});

describe("an issuer that is down", () => {
  it("is not missed for 24 hours, then its tokens are refused, until it is back", async () => {
    const { clock, server, source, find } = await scene(json(keySet("a")));
    await source.preWarm();
    await server.stop();
    for (let minute = 5; minute < 24 * 60; minute += 5) {
      clock.pass(300);
      expect(await find("a")).toBe("x of a");
    }
    clock.pass(300);
    await expect(find("a")).rejects.toEqual(unreachable);
    await server.start();
    clock.pass(30);
    await expect.poll(() => find("a").catch(() => "away")).toBe("x of a");
  });

  it("is asked after 1 s, 2 s, up to 30 s, and callers do not wait meanwhile", async () => {
    const { clock, server, source, events, ended } = await scene(json(keySet("a")));
    await server.stop();
    await expect(source.preWarm()).rejects.toEqual(unreachable);
    let fetches = 1;
    for (const pause of [1, 2, 4, 8, 16, 30, 30]) {
      clock.pass(pause - 0.5);
      const refused = await source.preWarm().catch((error: AmeshError) => error);
      expect(refused).toMatchObject({ code: "issuer_unreachable", failure: { retryAfterSeconds: 1 } });
      expect(events).toHaveLength(fetches);
      clock.pass(0.5);
      await ended(++fetches);
    }
    await server.start();
    clock.pass(30);
    await expect.poll(() => source.find(server.url, "a")).toBeDefined();
    expect(events[0]).toMatchObject({
      type: "failed",
      reason: expect.stringContaining("nothing listens there"),
    });
  });

  it("that hangs lets callers wait once, and for keys that are there no more after that", async () => {
    const { clock, server, source, find } = await scene(json(keySet("a")), { timeoutMs: 500 });
    await source.preWarm();
    server.answer = () => {};
    clock.sleep(hour);
    expect(await find("a")).toBe("x of a");
    clock.sleep(hour);
    expect(source.find(server.url, "a")).toEqual({ kid: "a", x: "x of a" });
  });
});

const hangMidBody: Answer = (response) => void response.writeHead(200).write('{"keys":[');
const endless: Answer = (response) => {
  const more = () => {
    while (!response.destroyed && response.write(" ".repeat(16_384)));
    response.once("drain", more);
  };
  more();
};
const drip: Answer = (response) => {
  const timer = setInterval(() => response.write(" "), 10);
  response.on("close", () => clearInterval(timer));
};
const text =
  (body: string | Uint8Array, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(200, headers).end(body);
const bomb = gzipSync(
  Buffer.concat([Buffer.from('{"keys":[]'), Buffer.alloc(50_000_000, " "), Buffer.from("}")]),
);
const redirect: Answer = (response, request) =>
  request.url === "/elsewhere"
    ? json(keySet("a"))(response, request)
    : void response.writeHead(302, { location: "/elsewhere" }).end();

describe("what is no set of keys", () => {
  it.each<[string, Answer, RegExp]>([
    ["a redirect", redirect, /answers 302/],
    ["a page that is not there", (response) => void response.writeHead(404).end(), /answers 404/],
    ["an error of the server", (response) => void response.writeHead(500).end(), /answers 500/],
    ["an answer without headers", () => {}, /no answer in time/],
    ["an answer that stops in its middle", hangMidBody, /no answer in time/],
    ["an answer that drips", drip, /no answer in time/],
    ["a connection that is cut", (response) => void response.destroy(), /the connection was cut/],
    [
      "a body that is cut",
      (response) => {
        hangMidBody(response, response.req);
        setImmediate(() => response.destroy());
      },
      /the connection was cut/,
    ],
    ["an answer without end", endless, /larger than 65536 bytes/],
    ["an answer of 64 KiB and a byte", text(" ".repeat(65_537)), /larger than 65536 bytes/],
    ["a small answer that decompresses to 50 MB", text(bomb, { "content-encoding": "gzip" }), /larger than/],
    ["garbage in compressed form", text("garbage", { "content-encoding": "gzip" }), /jwks\.json: /],
    ["nothing", text(""), /not JSON/],
    ["a page", text("<!doctype html>", { "content-type": "application/json" }), /not JSON/],
    ["bytes", text(Uint8Array.of(0xff, 0xfe, 0x00)), /not UTF-8/],
    ["a member twice", text('{"keys":[],"keys":[]}'), /names a member twice/],
    ["a thousand arrays", text("[".repeat(1000) + "]".repeat(1000)), /nested deeper/],
    ["null", json(null), /not a JWK Set/],
    ["an array of keys", json([jwk("a")]), /not a JWK Set/],
    ["keys that are an object", json({ keys: { 0: jwk("a") } }), /not a JWK Set/],
    ["keys that are none", json({ keys: [jwk("a"), "b"] }), /something else than keys/],
    ["two keys of one kid", json(keySet("a", "b", "a")), /two keys of one kid/],
    ["65 keys", json(keySet(...Array.from({ length: 65 }, (_, i) => `${i}`))), /more than 64/],
  ])("%s is refused, in bounded time, and the last set stays in use", async (_, answer, reason) => {
    const { clock, server, source, events, ended } = await scene(json(keySet("good")), { timeoutMs: 500 });
    await source.preWarm();
    server.answer = answer;
    clock.pass(240);
    await ended(2);
    expect(events[1]).toMatchObject({ type: "failed", reason: expect.stringMatching(reason) });
    expect(source.find(server.url, "good")).toBeDefined();
    expect(server.asked).not.toContain("/elsewhere");
  });

  it("makes preWarm reject, of whichever issuer it is", async () => {
    const bad = await HttpServer.start(json(null), onTestFinished);
    const good = await HttpServer.start(json(keySet("a")), onTestFinished);
    const source = createJwksSource({ issuers: [bad.url, good.url], importKey });
    onTestFinished(() => source.close());
    await expect(source.preWarm()).rejects.toEqual(unreachable);
    expect(source.find(good.url, "a")).toEqual({ kid: "a", x: "x of a" });
  });

  it("is told apart whatever the JSON: a set, or an error of the catalogue", () => {
    const members = fc.dictionary(fc.constantFrom("kid", "kty", "x", "alg"), fc.jsonValue());
    const sets = fc.record({ keys: fc.oneof(fc.jsonValue(), fc.array(fc.oneof(members, fc.jsonValue()))) });
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), sets), (value) => {
        try {
          const text = JSON.parse(JSON.stringify(value));
          for (const [kid, key] of readJwkSet(text, importKey)) expect(key.kid).toBe(kid);
        } catch (error) {
          expect(error).toEqual(unreachable);
        }
      }),
    );
  });

  it("is told apart whatever the bytes: JSON, or an error of the catalogue", async () => {
    const pieces = fc.array(
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.json().map((each) => Buffer.from(each)),
      ),
    );
    await fc.assert(
      fc.asyncProperty(pieces, fc.constantFrom(200, 204, 301, 404), async (chunks, status) => {
        const body = status === 204 ? null : new Blob(chunks.map((each) => Uint8Array.from(each))).stream();
        const answer = fetchJson(new URL("https://issuer.example/x"), {
          fetch: async () => new Response(body, { status }),
          timeoutMs: 1000,
          maxBytes: 100,
          failAs: "issuer_unreachable",
        });
        await answer.then(
          ({ value }) => expect(value === undefined).toBe(status !== 200),
          (error) => expect(error).toBeInstanceOf(AmeshError),
        );
      }),
    );
  });
});

describe("what a set may hold", () => {
  it("is read whatever its content type says", async () => {
    const { find } = await scene(text(JSON.stringify(keySet("a")), { "content-type": "text/html" }));
    expect(await find("a")).toBe("x of a");
  });

  it("is read in compressed form", async () => {
    const { find } = await scene(text(gzipSync(JSON.stringify(keySet("a"))), { "content-encoding": "gzip" }));
    expect(await find("a")).toBe("x of a");
  });

  it("skips keys of kinds that are not known, without kid, and malformed ones", async () => {
    const others = [
      { kty: "RSA", kid: "rsa", n: "…" },
      { kty: "OKP", x: "no kid" },
      { kty: "OKP", kid: 7, x: "x" },
    ];
    const malformed = { kty: "OKP", kid: "malformed", x: null };
    const { find } = await scene(json({ keys: [...others, malformed, jwk("a")], more: true }));
    expect(await find("a")).toBe("x of a");
    for (const kid of ["rsa", "7", "malformed", "undefined"]) expect(await find(kid)).toBeUndefined();
  });

  it.each([
    [undefined, 300],
    ["max-age=600", 600],
    ['public, max-age="700" , immutable', 700],
    ["MAX-AGE=0", 60],
    ["max-age=999999999", 3600],
    ["s-maxage=600", 300],
    ["max-age=-5", 300],
    ["max-age=1e9", 300],
    ["no-store", 300],
  ])("is used for as long as %s says, within a minute and an hour", (control, seconds) => {
    const headers = new Headers(control === undefined ? {} : { "cache-control": control });
    expect(maxAgeOf(headers)).toBe(seconds * 1000);
  });
});

describe("the keys of tokens", () => {
  it("are imported strictly, and verify what the issuer signed", async () => {
    const signer = createEd25519Signer(new Uint8Array(32).fill(7));
    const stolen = { ...signer.publicJwk, kid: "not its thumbprint" };
    const server = await HttpServer.start(json({ keys: [stolen, signer.publicJwk] }), onTestFinished);
    const source = createJwksSource({ issuers: [server.url] });
    onTestFinished(() => source.close());
    const claims = { sub: "svc://a", aud: "https://b.example", act: "orders.write" };
    const { token } = await mintToken(claims, { issuer: server.url, signer });
    const [signingInput = "", signature = ""] = token.split(/\.(?=[^.]*$)/);
    const key = await source.find(server.url, signer.publicJwk.kid);
    expect(key?.verify(utf8(signingInput), fromBase64Url(signature) as Uint8Array)).toBe(true);
    expect(await source.find(server.url, "not its thumbprint")).toBeUndefined();
  });
});

describe("where keys may come from", () => {
  it.each([
    "http://issuer.example",
    "ftp://127.0.0.1",
    "https://user:password@issuer.example",
    "https://issuer.example/#x",
    "https://issuer.example/?x",
    "http://127.0.0.1.example",
    "issuer.example",
    "",
  ])("not from %s", (issuer) => {
    expect(() => createJwksSource({ issuers: [issuer], importKey })).toThrow(TypeError);
  });

  it.each(["http://keys.example/jwks", "data:application/json,{}", "/keys"])(
    "not from a jwksUri %s",
    (jwksUri) => {
      const issuers = [{ issuer: "https://issuer.example", jwksUri }];
      expect(() => createJwksSource({ issuers, importKey })).toThrow(TypeError);
    },
  );

  it("from a URL of their own", async () => {
    const server = await HttpServer.start(json(keySet("a")), onTestFinished);
    const issuer = "https://issuer.example";
    const source = createJwksSource({ issuers: [{ issuer, jwksUri: `${server.url}/keys?all` }], importKey });
    onTestFinished(() => source.close());
    expect(await source.find(issuer, "a")).toBeDefined();
    expect(server.asked).toEqual(["/keys?all"]);
  });

  it("from a path below an issuer's path, with or without a closing slash", async () => {
    const server = await HttpServer.start(json(keySet("a")), onTestFinished);
    for (const issuer of [`${server.url}/tenant`, `${server.url}/tenant/`]) {
      const source = createJwksSource({ issuers: [issuer], importKey });
      onTestFinished(() => source.close());
      expect(await source.find(issuer, "a")).toBeDefined();
    }
    expect(server.asked).toEqual(Array(2).fill("/tenant/.well-known/jwks.json"));
  });
});

describe("an OpenID configuration", () => {
  const path = "/.well-known/openid-configuration";

  async function discovered(configure: (url: string, other: string) => object, allowOther = false) {
    const server = await HttpServer.start(json(keySet("a")), onTestFinished);
    const other = await HttpServer.start(json(keySet("a")), onTestFinished);
    server.answer = (response, request) =>
      json(request.url === path ? configure(server.url, other.url) : keySet("a"))(response, request);
    const jwksOrigins = allowOther ? [other.url] : [];
    const issuers = [{ issuer: server.url, discover: true, jwksOrigins }];
    const source = createJwksSource({ issuers, importKey });
    onTestFinished(() => source.close());
    return { server, other, find: async () => await source.find(server.url, "a") };
  }

  it("names the keys, on the issuer's own origin", async () => {
    const { server, find } = await discovered((url) => ({ issuer: url, jwks_uri: `${url}/keys` }));
    expect(await find()).toBeDefined();
    expect(server.asked).toEqual([path, "/keys"]);
  });

  it.each<[string, (url: string, other: string) => object]>([
    ["another issuer", (url) => ({ issuer: `${url}/`, jwks_uri: `${url}/keys` })],
    ["another origin", (url, other) => ({ issuer: url, jwks_uri: `${other}/keys` })],
    ["no https", (url) => ({ issuer: url, jwks_uri: "http://issuer.example/keys" })],
    ["no keys", (url) => ({ issuer: url })],
    ["no URL", (url) => ({ issuer: url, jwks_uri: ["/keys"] })],
  ])("that names %s is refused", async (_, configure) => {
    const { server, other, find } = await discovered(configure);
    await expect(find()).rejects.toEqual(unreachable);
    expect([server.asked, other.asked]).toEqual([[path], []]);
  });

  it("may name another origin that was allowed", async () => {
    const configure = (url: string, other: string) => ({ issuer: url, jwks_uri: `${other}/keys` });
    const { other, find } = await discovered(configure, true);
    expect(await find()).toBeDefined();
    expect(other.asked).toEqual(["/keys"]);
  });
});
