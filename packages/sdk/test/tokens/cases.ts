/** What every adapter must do with a request that brings a token, whatever the framework. */
import { AmeshError } from "@authmesh/core";
import type { VerifyTokenOptions } from "@authmesh/sdk";
import { type Outcome, sha256 } from "../adapters/exchange.js";
import type { RouteNeeds } from "./servers.js";
import { Holder, newSigner, type TokenBench, type TokenExchange } from "./token-exchange.js";

export interface TokenCase {
  readonly name: string;
  /** What the server's verifier is told beside what it always is. */
  readonly options?: Partial<VerifyTokenOptions>;
  readonly needs?: RouteNeeds;
  /** The prefix that the framework mounts the verifier and its handler under. Default: none, they take every path. */
  readonly mount?: string;
  readonly run: (bench: TokenBench) => Promise<Outcome>;
  readonly expected: Outcome;
}

type Setting = Pick<TokenCase, "options" | "needs" | "mount">;

const accepted = (method: string, body: string | Uint8Array = ""): Outcome => ({
  status: 200,
  saw: { by: "svc://billing/worker", method, body: sha256(body) },
  handled: 1,
});
const refused = (error: string, status = 401): Outcome => ({ status, error, handled: 0 });

/** A case of one request. */
const one = (name: string, exchange: TokenExchange, expected: Outcome, setting: Setting = {}): TokenCase => ({
  name,
  ...setting,
  run: (bench) => bench.send(exchange),
  expected,
});

const json = { method: "POST", type: "application/json", body: '{"amount":100}' } as const;
const bound = { ...json, bound: true } as const;
const large = new Uint8Array(200_000).fill(0x61);

const bodies: readonly TokenCase[] = [
  one("a GET", {}, accepted("GET")),
  one("a HEAD, which has no body in its answer", { method: "HEAD" }, { status: 200, handled: 1 }),
  one(
    "a HEAD without a token",
    { method: "HEAD", sent: { authorization: () => [] } },
    { status: 401, handled: 0 },
  ),
  one("JSON", json, accepted("POST", json.body)),
  one(
    "a body that comes in pieces, larger than what would be read of it",
    { ...json, type: "application/octet-stream", body: large, sent: { framing: "chunks", pieceSize: 7000 } },
    accepted("POST", large),
    { options: { maxBodyBytes: 1000 } },
  ),
  one(
    "a refusal before a body that never ends",
    { ...json, sent: { authorization: () => [], framing: 100, ending: "stall" } },
    refused("claim_missing:token"),
  ),
];

const tokens: readonly TokenCase[] = [
  one("no token", { sent: { authorization: () => [] } }, refused("claim_missing:token")),
  one(
    "a Bearer token",
    { sent: { authorization: (value) => [value.replace("OathMesh", "Bearer")] } },
    refused("claim_missing:token"),
  ),
  one(
    "a device's proof in its place",
    { sent: { authorization: () => ['AuthMesh v="1"'] } },
    refused("claim_missing:token"),
  ),
  one(
    "another spelling of the scheme",
    { sent: { authorization: (value) => [value.replace("OathMesh", "oathmesh")] } },
    accepted("GET"),
  ),
  one("two tokens", { sent: { authorization: (value) => [value, value] } }, refused("token_malformed")),
  one(
    "a token cut short",
    { sent: { authorization: (value) => [value.split(".").slice(0, 2).join(".")] } },
    refused("token_malformed"),
  ),
  one("another issuer", { issuer: "https://evil.example.com" }, refused("issuer_untrusted")),
  one("a key that the issuer does not have", { signer: newSigner() }, refused("key_unknown")),
  one(
    "another signature",
    {
      sent: {
        authorization: (value) => [
          value.replace(/\.(.)([\w-]+)$/, (_, first, rest) => `.${first === "A" ? "B" : "A"}${rest}`),
        ],
      },
    },
    refused("signature_invalid"),
  ),
  one("a token that has expired", { ttlSeconds: 60, at: -120 }, refused("token_expired")),
  one("a token of the future", { at: 120 }, refused("token_not_yet_valid")),
  one("a token for another service", { claims: { aud: "orders.example.com" } }, refused("audience_mismatch")),
  {
    name: "a token that is used again",
    run: async (bench) => {
      const token = await bench.token({});
      await bench.sendToken({}, token);
      return bench.sendToken({}, token);
    },
    expected: refused("replay_detected"),
  },
  {
    name: "a token that is used again, where that is allowed",
    options: { tokenUse: "until-expiry" },
    run: async (bench) => {
      const token = await bench.token({});
      await bench.sendToken({}, token);
      return bench.sendToken({}, token);
    },
    expected: accepted("GET"),
  },
  one("a token that was revoked", {}, refused("revoked"), {
    options: {
      revocations: {
        find: ({ sub: value, iss }) => ({
          issuer: iss,
          by: "sub",
          value,
          reason: "",
          actor: "",
          at: 0,
        }),
      },
    },
  }),
  one("a list of revocations that cannot be had", {}, refused("revocation_unavailable", 503), {
    options: {
      revocations: {
        find: () => {
          throw new AmeshError("revocation_unavailable");
        },
      },
    },
  }),
  one("keys that cannot be had", {}, refused("issuer_unreachable", 503), {
    options: { keys: { find: () => Promise.reject(new AmeshError("issuer_unreachable")) } },
  }),
  one("a store of used tokens that cannot be asked", {}, refused("replay_store_unavailable", 503), {
    options: { replay: { checkAndRecord: () => Promise.reject(new Error("down")) } },
  }),
  one("a policy that denies", {}, refused("policy_denied", 403), {
    options: {
      policy: {
        decide: () => ({ allowed: false, reason: "Nobody may." }),
        explain: () => ({ decision: { allowed: false, reason: "Nobody may." }, rules: [] }),
        digest: "",
      },
    },
  }),
  one("something that breaks within", {}, refused("unexpected_error", 500), {
    options: {
      keys: {
        find: () => {
          throw new Error("it broke");
        },
      },
    },
  }),
];

const requests: readonly TokenCase[] = [
  one("a token for this request", { bound: true, path: "/echo/a%20b?b=2&a=1" }, accepted("GET")),
  one("a token for this request and its body", bound, accepted("POST", json.body)),
  one(
    "a token for a request whose body came in pieces",
    { ...bound, body: large, type: "application/octet-stream", sent: { framing: "chunks", pieceSize: 5000 } },
    accepted("POST", large),
  ),
  one(
    "a body that a proxy changed",
    { ...bound, sent: { body: '{"amount":999}' } },
    refused("binding_mismatch"),
  ),
  one("a body that a proxy left out", { ...bound, sent: { body: "" } }, refused("binding_mismatch")),
  one(
    "a query that was changed",
    { bound: true, path: "/echo?a=1", sent: { target: "/echo?a=2" } },
    refused("binding_mismatch"),
  ),
  one(
    "a method that was changed",
    { method: "PUT", bound: true, sent: { method: "DELETE" } },
    refused("binding_mismatch"),
  ),
  one(
    "a token for the same request at another host",
    { bound: true, host: "other.example.com" },
    refused("binding_mismatch"),
  ),
  one(
    "a body over the limit, for a token that is bound to it",
    { ...bound, body: "a".repeat(2000) },
    refused("payload_too_large", 413),
    { options: { maxBodyBytes: 1000 } },
  ),
  one("a token for any request, where it must be for one", {}, refused("binding_required"), {
    options: { requireRequestBinding: true },
  }),
  one(
    "a prefix that a proxy took off",
    {
      bound: true,
      path: "/api/echo?a=1",
      sent: { target: "/echo?a=1" },
    },
    accepted("GET"),
    { options: { pathPrefix: "/api" } },
  ),
  one("a request hashed without the prefix", { bound: true }, refused("binding_mismatch"), {
    options: { pathPrefix: "/api" },
  }),
  one(
    "a mounted router, whose whole path was hashed",
    {
      ...bound,
      path: "/mounted/echo?a=1",
    },
    accepted("POST", json.body),
    { mount: "/mounted" },
  ),
  one(
    "a mounted router, where the path within was hashed",
    { bound: true, path: "/echo", sent: { target: "/mounted/echo" } },
    refused("binding_mismatch"),
    { mount: "/mounted" },
  ),
];

const holder = new Holder();
const held = { ...json, holder } as const;

const holders: readonly TokenCase[] = [
  one("a request signed by the token's holder", held, accepted("POST", json.body)),
  {
    name: "two requests with one token, each signed",
    run: async (bench) => {
      const token = await bench.token(held);
      await bench.sendToken(held, token);
      return bench.sendToken({ ...held, method: "PUT" }, token);
    },
    expected: accepted("PUT", json.body),
  },
  {
    name: "a signed request that is played again",
    run: async (bench) => {
      const headers = await bench.headers(held, await bench.token(held));
      await bench.sendWith(held, headers);
      return bench.sendWith(held, headers);
    },
    expected: refused("replay_detected"),
  },
  one("no signature of the holder's", { ...held, signedBy: "nobody" }, refused("binding_mismatch")),
  one("a signature by another key", { ...held, signedBy: new Holder() }, refused("binding_mismatch")),
  one("a signature that does not cover the token", { ...held, covers: false }, refused("binding_mismatch")),
  {
    name: "a signature over another token of the holder's",
    run: async (bench) => {
      const [, ...signature] = await bench.headers(held, await bench.token(held));
      return bench.sendWith(held, [["Authorization", `OathMesh ${await bench.token(held)}`], ...signature]);
    },
    expected: refused("binding_mismatch"),
  },
  one(
    "a signed body that a proxy changed",
    { ...held, sent: { body: '{"amount":999}' } },
    refused("binding_mismatch"),
  ),
  one("a request that is bound both ways", { ...held, bound: true }, accepted("POST", json.body)),
];

const grants = { claims: { scope: ["orders:rw", "audit"] } } as const;

const routes: readonly TokenCase[] = [
  one("a route for this action", {}, accepted("GET"), { needs: { action: "orders.write" } }),
  one("a route for another action", {}, refused("action_mismatch", 403), {
    needs: { action: "orders.read" },
  }),
  one("a scope that is held", grants, accepted("GET"), { needs: { scope: "audit" } }),
  one("a scope that a higher grant suffices for", grants, accepted("GET"), { needs: { scope: "orders:w" } }),
  one("a scope that is not held", grants, refused("scope_missing", 403), {
    needs: { scope: "orders:write" },
  }),
  one("a scope, of a token without any", {}, refused("scope_missing", 403), { needs: { scope: "orders:r" } }),
];

export const cases: readonly TokenCase[] = [...bodies, ...tokens, ...requests, ...holders, ...routes];
