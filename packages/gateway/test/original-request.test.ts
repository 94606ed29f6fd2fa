import { AmeshError, type IncomingRequest } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { OriginalRequest, toldRequest } from "../src/authz/original-request.js";
import { type ProxyName, proxyDialects } from "../src/authz/proxy-dialects.js";

type Headers = Readonly<Record<string, string | readonly string[]>>;

/** What a proxy sends, as the documentation of each shows it. */
const question = (headers: Headers, { method = "GET", target = "/", body = "" } = {}): IncomingRequest => ({
  method,
  target,
  hasBody: body !== "",
  headers: (name) => [headers[name] ?? []].flat(),
  bodyHash: async () => `hash of ${body}`,
});

const fixtures = {
  nginx: {
    headers: {
      "x-original-method": "POST",
      "x-original-uri": "/orders?a=%20b",
      "x-original-host": "api.example.com",
      "x-original-framing": "HTTP/1.1;;",
      host: "127.0.0.1:8089",
      connection: "close",
      authorization: "AuthMesh v=1",
      accept: "*/*",
    },
  },
  // As Caddy 2.6 sends it: an empty header for what the caller did not send.
  caddy: {
    headers: {
      host: "api.example.com",
      authorization: "AuthMesh v=1",
      "x-forwarded-for": "192.0.2.7",
      "x-forwarded-host": "api.example.com",
      "x-forwarded-method": "POST",
      "x-forwarded-proto": "https",
      "x-forwarded-uri": "/orders?a=%20b",
      "x-original-content-length": "",
      "accept-encoding": "gzip",
    },
  },
  traefik: {
    headers: {
      host: "127.0.0.1:8089",
      authorization: "AuthMesh v=1",
      "x-forwarded-for": "192.0.2.7",
      "x-forwarded-host": "api.example.com",
      "x-forwarded-method": "POST",
      "x-forwarded-port": "443",
      "x-forwarded-proto": "https",
      "x-forwarded-server": "edge-1",
      "x-forwarded-uri": "/orders?a=%20b",
      "x-real-ip": "192.0.2.7",
    },
  },
  envoy: {
    method: "POST",
    target: "/authz/orders?a=%20b",
    headers: {
      host: "api.example.com",
      "content-length": "0",
      authorization: "AuthMesh v=1",
      "x-envoy-internal": "true",
      "x-forwarded-for": "192.0.2.7",
    },
  },
} satisfies Record<ProxyName, { headers: Headers; method?: string; target?: string }>;

const proxies = Object.keys(fixtures) as ProxyName[];

interface Change {
  readonly headers?: Headers;
  readonly method?: string;
  readonly target?: string;
  readonly body?: string;
}

/** The request that this proxy asks about, where its question differs from the fixture like that. */
const asked = (proxy: ProxyName, { headers, ...change }: Change = {}): IncomingRequest => {
  const { headers: usual, ...shape } = fixtures[proxy];
  const heard = question({ ...usual, ...headers }, { ...shape, ...change });
  const dialect = proxyDialects[proxy];
  return new OriginalRequest(heard, toldRequest(heard, dialect, proxy === "envoy" ? "/authz" : ""), dialect);
};

/** Headers that make the fixture one of this method. */
const withMethod = (proxy: ProxyName, method: string): Change => {
  const name = proxyDialects[proxy].told?.method;
  return name === undefined ? { method } : { headers: { [name]: method } };
};

const limits = { maxBytes: 1000, timeoutMs: 1000, contentEncodings: [] };
const ambiguous = expect.objectContaining({ code: "ambiguous_request" });

describe.each(proxies)("the question of %s", (proxy) => {
  test("tells method, target and host of the request, and its headers", () => {
    const request = asked(proxy);
    expect(request).toMatchObject({ method: "POST", target: "/orders?a=%20b" });
    expect(request.headers("host")).toEqual(["api.example.com"]);
    expect(request.headers("authorization")).toEqual(["AuthMesh v=1"]);
  });

  test("shows a second header of the caller, so that it is refused", () =>
    expect(
      asked(proxy, { headers: { authorization: ["AuthMesh v=1", "Bearer x"] } }).headers("authorization"),
    ).toHaveLength(2));

  test.each([
    "x-forwarded-host",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-real-ip",
    "forwarded",
    "connection",
  ])("says nothing of the caller by %s", (name) => {
    const told = Object.values(proxyDialects[proxy].told ?? {});
    const change = told.includes(name) ? {} : { headers: { [name]: "evil.example.com" } };
    expect(asked(proxy, change).headers(name)).toEqual([]);
  });

  test("hides what may name another request from no check", () =>
    expect(asked(proxy, { headers: { "x-original-url": "/admin" } }).headers("x-original-url")).toEqual([
      "/admin",
    ]));

  test("leaves the body of a POST open where the proxy says nothing of it", async () => {
    const request = asked(proxy, { headers: { "x-original-framing": "HTTP/2.0;;" } });
    expect(request.hasBody).toBe(true);
    await expect(request.bodyHash(limits)).rejects.toMatchObject({ code: "body_unseen" });
  });

  test.each(["GET", "HEAD", "OPTIONS"])("takes %s for a request without a body", (method) => {
    const { headers, ...shape } = withMethod(proxy, method);
    const http2 = { "x-original-framing": "HTTP/2.0;;" };
    expect(asked(proxy, { headers: { ...headers, ...http2 }, ...shape }).hasBody).toBe(false);
  });
});

describe.each(["nginx", "caddy", "traefik"] as const)("the question of %s", (proxy) => {
  test.each(Object.values(proxyDialects[proxy].told ?? {}))("is refused without %s, and with two", (name) => {
    expect(() => asked(proxy, { headers: { [name]: [] } })).toThrow(ambiguous);
    expect(() => asked(proxy, { headers: { [name]: ["GET", "GET"] } })).toThrow(ambiguous);
  });
});

describe("the body that nginx tells of", () => {
  test.each([
    ["HTTP/1.1;;", false],
    ["HTTP/1.0;;", false],
    ["HTTP/1.1;0;", false],
    ["HTTP/2.0;0;", false],
    ["HTTP/1.1;12;", true],
    ["HTTP/1.1;;chunked", true],
    ["HTTP/1.1;0;chunked", true],
    ["HTTP/2.0;;", true],
    ["HTTP/3.0;;", true],
  ])("%s: there is one: %s", (framing, hasBody) =>
    expect(asked("nginx", { headers: { "x-original-framing": framing } }).hasBody).toBe(hasBody),
  );

  test.each(["", ";;", "HTTP/1.1", "HTTP/1.1;12", "HTTP/1.1;-1;", "HTTP/1.1;12;;\n", "HTTP/1.1;1e3;"])(
    "%j says nothing that can be read",
    (framing) =>
      expect(() => asked("nginx", { headers: { "x-original-framing": framing } })).toThrow(ambiguous),
  );

  test("is measured as nginx measured it, and not by the question", () =>
    expect(
      asked("nginx", { headers: { "x-original-framing": "HTTP/1.1;12;", "content-length": "0" } }).headers(
        "content-length",
      ),
    ).toEqual(["12"]));
});

test.each(["nginx", "caddy"] as const)(
  "a question of %s that announces a body is refused: it need not come",
  (proxy) => expect(() => asked(proxy, { body: "abc" })).toThrow(ambiguous),
);

test("a GET of Caddy's has a body where its length is told", () => {
  const length = (text: string) => ({ "x-forwarded-method": "GET", "x-original-content-length": text });
  expect(asked("caddy", { headers: length("6") }).hasBody).toBe(true);
  expect(asked("caddy", { headers: length("0") }).hasBody).toBe(false);
});

describe("a body that comes with the question", () => {
  test("is the body, of Traefik", async () => {
    const request = asked("traefik", { body: "abc", headers: { "content-length": "3" } });
    expect(await request.bodyHash(limits)).toBe("hash of abc");
    expect(request.headers("content-length")).toEqual(["3"]);
  });

  test.each([
    ["false", "hash of abc"],
    ["true", undefined],
    [[], undefined],
    [["false", "false"], undefined],
    [["true", "false"], undefined],
  ])("of Envoy, which says that it is a part: %s", async (partial, hash) => {
    const request = asked("envoy", { body: "abc", headers: { "x-envoy-auth-partial-body": partial } });
    expect(request.hasBody).toBe(true);
    const read = request.bodyHash(limits);
    if (hash === undefined) await expect(read).rejects.toMatchObject({ code: "body_unseen" });
    else expect(await read).toBe(hash);
  });

  test("is not believed to be empty because Envoy's header says that it is whole: the caller may have written that", () =>
    expect(asked("envoy", { headers: { "x-envoy-auth-partial-body": "false" } }).hasBody).toBe(true));
});

test("a target of Envoy's without the prefix is refused", () =>
  expect(() => asked("envoy", { target: "/orders" })).toThrow(ambiguous));

test("whatever a proxy sends: a request, or an error of the catalogue", () => {
  const names = [...new Set(Object.values(fixtures).flatMap(({ headers }) => Object.keys(headers)))];
  const headers = fc.dictionary(fc.constantFrom(...names), fc.array(fc.string(), { maxLength: 2 }));
  fc.assert(
    fc.property(
      fc.constantFrom(...proxies),
      headers,
      fc.string(),
      fc.string(),
      (proxy, changed, target, body) => {
        try {
          const request = asked(proxy, { headers: changed, target, body });
          expect(request.headers("host")).toHaveLength(1);
        } catch (error) {
          expect(error).toBeInstanceOf(AmeshError);
        }
      },
    ),
  );
});
