import { createHash } from "node:crypto";
import {
  type IncomingRequest,
  InMemoryNonceStore,
  jwkOf,
  PrivateKey,
  randomBytes,
  SessionKey,
  signHttpRequest,
} from "@authmesh/core";
import { describe, expect, it } from "vitest";
import { requestHash, requestHashOf, type TokenVerifierOptions, thumbprint } from "../src/index.js";
import { mint, noon, outcome, verifierWith } from "./token-fixture.js";

interface Wire {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  readonly body: string;
}

const order: Wire = {
  method: "POST",
  target: "/api/orders?b=2&a=1",
  headers: { host: ["api.example.com"], "content-type": ["application/json"] },
  body: '{"amount":100}',
};
const url = new URL("https://api.example.com/api/orders?b=2&a=1");
const outgoing = { method: "post", url, body: order.body, contentType: "application/json" };

const receive = ({ method, target, headers, body }: Wire): IncomingRequest => ({
  method,
  target,
  headers: (name) => headers[name] ?? [],
  hasBody: body !== "",
  bodyHash: async (_, algorithm = "sha256") => createHash(algorithm).update(body).digest("hex"),
});
const withHeaders = (wire: Wire, headers: Wire["headers"]): Wire => ({
  ...wire,
  headers: { ...wire.headers, ...headers },
});
const bearing = (wire: Wire, token: string): Wire =>
  withHeaders(wire, { authorization: [`OathMesh ${token}`] });
const verified = async (wire: Wire, options: Partial<TokenVerifierOptions> = {}) =>
  outcome(await verifierWith(options).verify(undefined, receive(wire)));

describe("a token for one request", () => {
  const rqh = requestHashOf(outgoing);

  it("hashes what docs/protocol.md says", () => {
    const hex = (text: string) => createHash("sha256").update(text).digest("hex");
    const lines = [
      "OMv1",
      "POST",
      "api.example.com",
      "/api/orders?b=2&a=1",
      "application/json",
      hex(order.body),
    ];
    expect(rqh).toBe(`sha256:${hex(lines.join("\n"))}`);
    const none = { method: "GET", host: "a", target: "/", contentType: "", bodyHash: hex("") };
    expect(requestHash(none)).toBe(requestHashOf({ method: "GET", url: new URL("http://a:80/") }));
    expect(() => requestHash({ ...none, contentType: "a\nb" })).toThrow(/control character/);
  });

  it.each<[string, (wire: Wire) => Wire, string]>([
    ["is accepted with it", (wire) => wire, "allowed"],
    [
      "is accepted by whatever port and case the host is written",
      (wire) => withHeaders(wire, { host: ["API.example.com:80"] }),
      "allowed",
    ],
    ["is refused with another method", (wire) => ({ ...wire, method: "PUT" }), "12 binding_mismatch"],
    [
      "is refused with another path",
      (wire) => ({ ...wire, target: "/api/Orders?b=2&a=1" }),
      "12 binding_mismatch",
    ],
    [
      "is refused with another order of the query",
      (wire) => ({ ...wire, target: "/api/orders?a=1&b=2" }),
      "12 binding_mismatch",
    ],
    ["is refused with another body", (wire) => ({ ...wire, body: '{"amount":900}' }), "12 binding_mismatch"],
    ["is refused without its body", (wire) => ({ ...wire, body: "" }), "12 binding_mismatch"],
    [
      "is refused with another content type",
      (wire) => withHeaders(wire, { "content-type": ["text/plain"] }),
      "12 binding_mismatch",
    ],
    [
      "is refused with two content types",
      (wire) => withHeaders(wire, { "content-type": ["application/json", "text/plain"] }),
      "12 malformed_header",
    ],
    [
      "is refused with a target that reads in two ways",
      (wire) => ({ ...wire, target: "/api/../orders" }),
      "12 malformed_target",
    ],
    [
      "is refused with a header that rewrites its path",
      (wire) => withHeaders(wire, { "x-original-url": ["/admin"] }),
      "12 malformed_target",
    ],
  ])("%s", async (_, change, expected) => {
    expect(await verified(bearing(change(order), await mint({ rqh })))).toBe(expected);
  });

  it("made for another server is refused, whatever Host it came with; without hosts, Host is believed", async () => {
    const stolen = bearing(order, await mint({ rqh }));
    expect(await verified(stolen, { hosts: "other.example.com" })).toBe("12 binding_mismatch");
    expect(await verified(stolen, { hosts: undefined })).toBe("allowed");
  });

  it("is compared with the path before a proxy took its prefix off", async () => {
    const behind = bearing({ ...order, target: "/orders?b=2&a=1" }, await mint({ rqh }));
    expect(await verified(behind)).toBe("12 binding_mismatch");
    expect(await verified(behind, { pathPrefix: "/api" })).toBe("allowed");
  });

  it("is refused when the body does not come, and is not burnt by it", async () => {
    const wire = bearing(order, await mint({ rqh }));
    const verifier = verifierWith({ maxBodyBytes: 5 });
    const announced = withHeaders(wire, { "content-length": ["14"] });
    expect(outcome(await verifier.verify(undefined, receive(announced)))).toBe("12 payload_too_large");
    expect(outcome(await verifier.verify(undefined, receive(wire)))).toBe("allowed");
  });

  it("whose time ends while its body comes is refused, and nothing is recorded of it", async () => {
    let now = noon;
    const replay = new InMemoryNonceStore();
    const verifier = verifierWith({ replay, now: () => now * 1000 });
    const request = receive(bearing(order, await mint({ rqh })));
    const { bodyHash } = request;
    request.bodyHash = async (...args) => {
      now += 150;
      return bodyHash(...args);
    };
    expect(outcome(await verifier.verify(undefined, request))).toBe("9 token_expired");
    expect(replay.size).toBe(0);
  });

  it("may be insisted on", async () => {
    const options = { requireRequestBinding: true };
    expect(await verified(bearing(order, await mint()), options)).toBe("12 binding_required");
    expect(await verified(bearing(order, await mint({ rqh })), options)).toBe("allowed");
  });

  it("tells the handler that it is one", async () => {
    const decision = await verifierWith().verify(undefined, receive(bearing(order, await mint({ rqh }))));
    expect(decision.allowed && decision.caller.bound).toEqual({ request: true, key: false });
  });
});

describe("a token for whoever holds a key", () => {
  const device = PrivateKey.fromBytes(new Uint8Array(32).fill(1));
  const cnf = { jkt: thumbprint(jwkOf(device.publicKey)) };
  type Holder = Pick<PrivateKey, "publicKey"> & {
    sign(message: Parameters<SessionKey["sign"]>[0] & Parameters<PrivateKey["sign"]>[0]): Uint8Array;
  };

  async function signed(
    token: string,
    { holder = device as Holder, at = noon, covers = token } = {},
  ): Promise<Wire> {
    const proof = await signHttpRequest(outgoing, {
      publicKey: holder.publicKey,
      sign: async (message) => holder.sign(message),
      authorization: `OathMesh ${covers}`,
      now: () => at * 1000,
      random: randomBytes,
    });
    const headers = Object.entries(proof).map(([name, value]) => [name.toLowerCase(), [value]]);
    return withHeaders(bearing(order, token), Object.fromEntries(headers));
  }

  it("is accepted again and again, each time with a signature of its own", async () => {
    const token = await mint({ cnf });
    const verifier = verifierWith();
    const first = await signed(token);
    const decision = await verifier.verify(undefined, receive(first));
    expect(decision.allowed && decision.caller.bound).toEqual({ request: false, key: true });
    expect(outcome(await verifier.verify(undefined, receive(await signed(token))))).toBe("allowed");
    expect(outcome(await verifier.verify(undefined, receive(first)))).toBe("13 replay_detected");
  });

  it("takes no other key when it comes again either", async () => {
    const token = await mint({ cnf });
    const verifier = verifierWith();
    for (const [holder, expected] of [
      [device, "allowed"],
      [PrivateKey.generate(), "12 binding_mismatch"],
      [device, "allowed"],
    ] as const)
      expect(outcome(await verifier.verify(undefined, receive(await signed(token, { holder }))))).toBe(
        expected,
      );
  });

  it("may name a session's key", async () => {
    const session = SessionKey.generate();
    const token = await mint({ cnf: { jkt: thumbprint(jwkOf(session.publicKey)) } });
    expect(await verified(await signed(token, { holder: session }))).toBe("allowed");
  });

  it.each<[string, (token: string) => Promise<Wire>]>([
    ["without a signature", async (token) => bearing(order, token)],
    ["signed by another key", (token) => signed(token, { holder: PrivateKey.generate() })],
    ["with a signature over another token", (token) => signed(token, { covers: "a.b.c" })],
    ["with a signature that is over", (token) => signed(token, { at: noon - 91 })],
    ["with a signature of the future", (token) => signed(token, { at: noon + 31 })],
    ["with another body", async (token) => ({ ...(await signed(token)), body: '{"amount":900}' })],
    ["with another method", async (token) => ({ ...(await signed(token)), method: "PUT" })],
    [
      "with a signature that does not cover authorization",
      async (token) => {
        const { headers, ...rest } = await signed(token);
        const [input = ""] = headers["signature-input"] ?? [];
        return {
          ...rest,
          headers: { ...headers, "signature-input": [input.replace(' "authorization"', "")] },
        };
      },
    ],
    [
      "signed twice",
      async (token) => {
        const wire = await signed(token);
        const again = (name: string) => [
          ...(wire.headers[name] ?? []),
          ...(wire.headers[name] ?? []).map((v) => v.replace(/^amesh=/, "b=")),
        ];
        return withHeaders(wire, {
          "signature-input": again("signature-input"),
          signature: again("signature"),
        });
      },
    ],
  ])("is refused %s", async (_, wire) => {
    expect(await verified(await wire(await mint({ cnf })))).toBe("12 binding_mismatch");
  });

  it("is refused for another host than the signature's", async () => {
    expect(await verified(await signed(await mint({ cnf })), { hosts: "other.example.com" })).toBe(
      "12 binding_mismatch",
    );
  });

  it("handed over apart from the request counts only if the request bears it too", async () => {
    const [ours, other] = [await mint({ cnf }), await mint({ cnf })];
    const verifier = verifierWith();
    expect(outcome(await verifier.verify(ours, receive(await signed(other))))).toBe("12 binding_mismatch");
    expect(outcome(await verifier.verify(ours, receive(await signed(ours))))).toBe("allowed");
  });

  it("is refused when the signature says that another key made it, also one that comes again", async () => {
    const token = await mint({ cnf });
    const verifier = verifierWith();
    expect(outcome(await verifier.verify(undefined, receive(await signed(token))))).toBe("allowed");
    const { publicKey } = PrivateKey.generate();
    const holder: Holder = { publicKey, sign: (message) => device.sign(message) };
    expect(outcome(await verifier.verify(undefined, receive(await signed(token, { holder }))))).toBe(
      "12 binding_mismatch",
    );
  });

  it("asks for a signature also where tokens may be used again, and remembers it", async () => {
    const token = await mint({ cnf });
    const verifier = verifierWith({ tokenUse: "until-expiry" });
    expect(outcome(await verifier.verify(undefined, receive(bearing(order, token))))).toBe(
      "12 binding_mismatch",
    );
    const wire = await signed(token);
    expect(outcome(await verifier.verify(undefined, receive(wire)))).toBe("allowed");
    expect(outcome(await verifier.verify(undefined, receive(wire)))).toBe("13 replay_detected");
  });

  it("a signed request whose token names no key is of two callers at once", async () => {
    const decision = await verifierWith().verify(undefined, receive(await signed(await mint())));
    expect(outcome(decision)).toBe("12 ambiguous_proof");
    expect(!decision.allowed && decision.failure.status).toBe(400);
  });
});
