import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../src/encoding.js";
import {
  contentDigest,
  createVerifier,
  type ErrorCode,
  httpSignatureSteps,
  InMemoryNonceStore,
  SessionKey,
  signHttpRequest,
  type VerifierOptions,
} from "../src/index.js";
import { anyText } from "./any-text.js";
import { delegate } from "./delegation-fixture.js";
import { type SignedCall, sendSigned } from "./http-signature-fixture.js";
import {
  DevicesInMemory,
  laptop,
  noon,
  outcome,
  receive,
  send,
  stranger,
  verifierWith,
  type Wire,
  withHeaders,
} from "./verification-fixture.js";

const sha512 = (body: string) => `sha-512=:${createHash("sha512").update(body).digest("base64")}:`;
const without = (name: string) => (names: readonly string[]) => names.filter((each) => each !== name);
const and = (name: string) => (names: readonly string[]) => [...names, name];
const value = (wire: Wire, name: string): string => wire.headers[name]?.[0] as string;
const bodyOf = (text: string) => (wire: Wire) => ({ ...wire, body: utf8(text) });
const edit = (name: string, change: (value: string) => string) => (wire: Wire) =>
  withHeaders(wire, { [name]: [change(value(wire, name))] });
const same = (wire: Wire) => wire;

describe("a request with an HTTP signature", () => {
  it("is allowed, and the decision says who called and what was checked", async () => {
    const trust = new DevicesInMemory(laptop.entry({ scopes: { orders: "rw" }, expiresAt: noon + 60 }));
    const decision = await verifierWith({ trust, scope: "orders:w" })(await sendSigned());
    expect(decision).toEqual({
      allowed: true,
      id: expect.stringMatching(/^[\w-]{16}$/),
      caller: {
        kind: "device",
        id: laptop.publicKey.deviceId,
        name: "Dev Laptop",
        scopes: { orders: "rw" },
        verifiedAt: noon,
        expiresAt: noon + 60,
      },
      steps: httpSignatureSteps.map(({ name }) => ({ step: name, outcome: "passed" })),
      warnings: [],
      proven: true,
      target: "/api/orders?b=2&a=1",
      bodyHash: "sha256:4d4bbe59c6aad22442cde199a6a8a5f034405fcd78fb5a81c24ef249de1c45f1",
    });
  });

  it.each<[string, SignedCall, Partial<VerifierOptions>?]>([
    ["without query and body", { method: "GET", target: "/", body: undefined }],
    ["with a mark and no query", { target: "/?" }],
    ["with a query in an order of its own, kept", { target: "/p?z=1&a=%20&&z=0" }],
    ["with the digest sha-512", { headers: { "content-digest": sha512('{"amount":100}') } }],
    [
      "with both digests, and one that is not known",
      {
        headers: {
          "content-digest": `md5=:AA==:, ${contentDigest("x")}, ${sha512("x")}`,
        },
        body: "x",
      },
    ],
    ["with an empty body", { body: "" }],
    ["with a content type and no body", { body: undefined, headers: { "content-type": "text/plain" } }],
    [
      "with an encoding that the application decodes",
      { headers: { "content-encoding": "gzip" } },
      { contentEncodings: ["gzip"] },
    ],
    ["that covers more", { cover: and("content-length") }],
    ["that covers a query parameter more", { cover: and("@request-target") }],
    ["in another order of components", { cover: (names) => names.toReversed() }],
    ["made as far ahead as clocks may be", { parameters: { created: noon + 30, expires: noon + 330 } }],
    [
      "that expired as far back as clocks may be",
      { parameters: { created: noon - 330, expires: noon - 30 } },
    ],
    ["with a nonce of 64 characters", { parameters: { nonce: "+/=_.~-0".repeat(8) } }],
    [
      "for the other of two hosts",
      { authority: "b.example", headers: { host: "b.example" } },
      { audience: ["a.example", "b.example"] },
    ],
    [
      "for the audience, behind a proxy with a name of its own",
      { headers: { host: "10.0.0.1:8080" } },
      { audience: ["a.example", "api.example.com"] },
    ],
    ["for the host in capitals", { headers: { host: "API.Example.com" } }],
    ["for the host it names, where there is no audience", {}, { audience: undefined }],
    [
      "for X-Forwarded-Host behind a trusted proxy",
      { headers: { host: "a.example", "x-forwarded-host": "api.example.com" } },
      { trustProxy: true, audience: ["a.example", "api.example.com"] },
    ],
    ["beside a token that is not ours", { headers: { authorization: "Bearer x" } }],
  ])("is allowed %s", async (_, call, options) => {
    const wire = await sendSigned(call);
    const decision = await verifierWith(options)(wire);
    expect(decision.allowed ? "allowed" : decision.failure.detail).toBe("allowed");
  });

  it("is allowed beside signatures that are not ours", async () => {
    const wire = await sendSigned();
    const input = `proxy=("@method");keyid="proxy";tag="other", ${value(wire, "signature-input")}`;
    const signature = `${value(wire, "signature")}, proxy=:AAAA:`;
    const both = withHeaders(wire, { "signature-input": [input], signature: [signature] });
    expect(outcome(await verifierWith()(both))).toBe("allowed");
  });

  it("is what signHttpRequest makes", async () => {
    for (const body of [undefined, '{"amount":100}']) {
      const url = new URL("https://API.example.com:443/api/orders?b=2&a=1");
      const contentType = body && "application/json";
      const proof = await signHttpRequest(
        { method: "post", url, body, contentType },
        { deviceId: laptop.publicKey.deviceId, sign: laptop.sign, now: () => noon * 1000 },
      );
      const sent = Object.entries(proof).map(([name, content]) => [name.toLowerCase(), [content]]);
      const headers = { host: [url.host], ...Object.fromEntries(sent) };
      const wire: Wire = {
        method: "POST",
        target: url.pathname + url.search,
        headers: contentType ? { ...headers, "content-type": [contentType] } : headers,
        body: body === undefined ? undefined : utf8(body),
      };
      expect(outcome(await verifierWith()(wire))).toBe("allowed");
    }
  });

  it("and an AuthMesh header on another request share the verifier", async () => {
    const verify = verifierWith();
    expect(outcome(await verify(await send()))).toBe("allowed");
    expect(outcome(await verify(await sendSigned()))).toBe("allowed");
  });
});

type Refusal = [string, ErrorCode, string, SignedCall, ((wire: Wire) => Wire)?, Partial<VerifierOptions>?];

describe("an HTTP signature is refused", () => {
  it.each<Refusal>([
    ["with a foreign tag", "missing_header", "header", { parameters: { tag: "other" } }],
    ["without a tag", "missing_header", "header", { parameters: { tag: undefined } }],
    ["without Signature", "malformed_header", "header", {}, (w) => withHeaders(w, { signature: [] })],
    ["under another label", "malformed_header", "header", {}, edit("signature", (s) => `x${s}`)],
    ["of 63 bytes", "malformed_header", "header", {}, edit("signature", () => `sig=:${"A".repeat(84)}:`)],
    ["in no dictionary", "malformed_header", "header", {}, edit("signature-input", (s) => `${s},`)],
    [
      "with parameters of a component",
      "malformed_header",
      "header",
      {},
      edit("signature-input", (s) => s.replace('"@path"', '"@path";req')),
    ],
    ["without created", "malformed_header", "header", { parameters: { created: undefined } }],
    ["without expires", "malformed_header", "header", { parameters: { expires: undefined } }],
    ["without nonce", "malformed_header", "header", { parameters: { nonce: undefined } }],
    ["without keyid", "malformed_header", "header", { parameters: { keyid: undefined } }],
    ["without alg", "malformed_header", "header", { parameters: { alg: undefined } }],
    ["with another alg", "malformed_header", "header", { parameters: { alg: "ed25519" } }],
    ["with created as text", "malformed_header", "header", { parameters: { created: `${noon}` } }],
    ["with created as a fraction", "malformed_header", "header", { parameters: { created: noon + 0.5 } }],
    ["with expires before created", "malformed_header", "header", { parameters: { expires: noon - 1 } }],
    ["with expires at created", "malformed_header", "header", { parameters: { expires: noon } }],
    ["with a life of 301 seconds", "malformed_header", "header", { parameters: { expires: noon + 301 } }],
    [
      "with a nonce of 15 characters",
      "malformed_header",
      "header",
      { parameters: { nonce: "123456789012345" } },
    ],
    [
      "with a nonce of 65 characters",
      "malformed_header",
      "header",
      { parameters: { nonce: "x".repeat(65) } },
    ],
    [
      "with a colon in the nonce",
      "malformed_header",
      "header",
      { parameters: { nonce: "am_other:12345678" } },
    ],
    [
      "with a keyid that is no device id",
      "malformed_header",
      "header",
      { parameters: { keyid: "test-key" } },
    ],
    ["with a parameter more", "malformed_header", "header", { parameters: { scope: "none" } }],
    [
      "beside another of ours",
      "ambiguous_proof",
      "header",
      {},
      (w) =>
        withHeaders(w, {
          "signature-input": [value(w, "signature-input"), value(w, "signature-input").replace("sig", "b")],
          signature: [value(w, "signature"), value(w, "signature").replace("sig", "b")],
        }),
    ],
    ["over a target of two readings", "malformed_target", "target", { target: "/a/../b" }],
    [
      "with two Hosts",
      "malformed_header",
      "target",
      {},
      (w) => withHeaders(w, { host: ["api.example.com", "api.example.com"] }),
    ],
    [
      "over an encoding nobody decodes",
      "unsupported_content_encoding",
      "body headers",
      { headers: { "content-encoding": "gzip" } },
    ],
    ["over nothing", "coverage_incomplete", "coverage", { cover: () => [] }],
    ...["@method", "@authority", "@path", "@query", "content-digest", "content-type"].map(
      (name): Refusal => [
        `that leaves out ${name}`,
        "coverage_incomplete",
        "coverage",
        { cover: without(name) },
      ],
    ),
    [
      "that leaves out content-encoding",
      "coverage_incomplete",
      "coverage",
      { headers: { "content-encoding": "gzip" }, cover: without("content-encoding") },
      same,
      { contentEncodings: ["gzip"] },
    ],
    [
      "that leaves out a content type without a body",
      "coverage_incomplete",
      "coverage",
      { body: undefined, headers: { "content-type": "text/plain" }, cover: without("content-type") },
    ],
    [
      "with a query that came later",
      "coverage_incomplete",
      "coverage",
      { target: "/a" },
      (w) => ({ ...w, target: "/a?admin=1" }),
    ],
    ["with a body that came later", "coverage_incomplete", "coverage", { body: undefined }, bodyOf("x")],
    [
      "with a content type that came later",
      "coverage_incomplete",
      "coverage",
      { body: undefined },
      (w) => withHeaders(w, { "content-type": ["text/plain"] }),
    ],
    [
      "with a delegation that came later",
      "coverage_incomplete",
      "coverage",
      {},
      (w) => withHeaders(w, { "authmesh-delegation": ["x"] }),
    ],
    [
      "with a digest that went away",
      "malformed_header",
      "coverage",
      {},
      (w) => withHeaders(w, { "content-digest": [] }),
    ],
    [
      "with a digest of broken algorithms alone",
      "malformed_header",
      "coverage",
      { headers: { "content-digest": "md5=:AA==:" } },
    ],
    ["by a device nobody knows", "device_unknown", "device", { device: stranger }],
    [
      "under another's id",
      "signature_invalid",
      "signature",
      { device: stranger, parameters: { keyid: laptop.publicKey.deviceId } },
    ],
    ["made too far ahead", "clock_skew", "clock", { parameters: { created: noon + 31, expires: noon + 60 } }],
    [
      "that expired too long ago",
      "clock_skew",
      "clock",
      { parameters: { created: noon - 60, expires: noon - 31 } },
    ],
    [
      "that names no host, where there is no audience",
      "host_mismatch",
      "binding",
      { headers: { host: undefined } },
      same,
      { audience: undefined },
    ],
    [
      "where a binding is demanded and there is no audience",
      "verifier_not_ready",
      "binding",
      {},
      same,
      { audience: undefined, requireHostBinding: true },
    ],
    ["with another body", "signature_invalid", "body", {}, bodyOf('{"amount":900}')],
    [
      "with one right digest and one wrong",
      "signature_invalid",
      "body",
      {
        body: "x",
        headers: {
          "content-digest": `${contentDigest("x")}, ${sha512("y")}`,
        },
      },
    ],
    [
      "with a body over the limit",
      "payload_too_large",
      "body",
      { headers: { "content-length": undefined } },
      same,
      { maxBodyBytes: 13 },
    ],
    ["over another method", "signature_invalid", "signature", {}, (w) => ({ ...w, method: "PUT" })],
    [
      "over another path",
      "signature_invalid",
      "signature",
      {},
      (w) => ({ ...w, target: "/api/users?b=2&a=1" }),
    ],
    [
      "over another order of the query",
      "signature_invalid",
      "signature",
      {},
      (w) => ({ ...w, target: "/api/orders?a=1&b=2" }),
    ],
    [
      "over another content type",
      "signature_invalid",
      "signature",
      {},
      edit("content-type", () => "text/plain"),
    ],
    [
      "with another end",
      "signature_invalid",
      "signature",
      {},
      edit("signature-input", (s) => s.replace(`expires=${noon + 60}`, `expires=${noon + 61}`)),
    ],
    [
      "with another nonce",
      "signature_invalid",
      "signature",
      {},
      edit("signature-input", (s) => s.replace("nonce-", "nonse-")),
    ],
    [
      "that covers a field that is gone",
      "malformed_header",
      "signature",
      { headers: { "x-a": "1" }, cover: and("x-a") },
      (w) => withHeaders(w, { "x-a": [] }),
    ],
    [
      "for another host, with its Host",
      "host_mismatch",
      "signature",
      { authority: "evil.example", headers: { host: "evil.example" } },
    ],
    ["for another host, with ours", "signature_invalid", "signature", { authority: "evil.example" }],
    [
      "for another host of the audience than it came for",
      "signature_invalid",
      "signature",
      { authority: "b.example", headers: { host: "a.example" } },
      same,
      { audience: ["a.example", "b.example"] },
    ],
    [
      "for a forwarded host, where no proxy is trusted",
      "signature_invalid",
      "signature",
      { authority: "api.example.com", headers: { host: "a.example", "x-forwarded-host": "api.example.com" } },
      same,
      { audience: ["a.example", "api.example.com"] },
    ],
    ["without the scope", "scope_missing", "scope", {}, same, { scope: "orders:r" }],
  ])("%s: %s", async (_, code, step, call, change = same, options = {}) => {
    const decision = await verifierWith(options)(change(await sendSigned(call)));
    expect([outcome(decision), "step" in decision && decision.step]).toEqual([code, step]);
  });

  it("beside an AuthMesh header or a token, also where one of them is broken", async () => {
    const header = value(await send(), "authorization");
    for (const call of [{}, { parameters: { created: undefined } }]) {
      const wire = await sendSigned(call);
      for (const authorization of [header, "AuthMesh x", "authmesh", "OathMesh a.b.c", "oathmesh"]) {
        const decision = await verifierWith()(withHeaders(wire, { authorization: [authorization] }));
        expect(decision).toMatchObject({
          allowed: false,
          step: "proof",
          failure: { code: "ambiguous_proof", status: 400 },
        });
      }
    }
  });

  it("but one that is not ours does not stand in the way of an AuthMesh header", async () => {
    const foreign = { "signature-input": ['a=();tag="x"'], signature: ["a=:AA==:"] };
    expect(outcome(await verifierWith()(withHeaders(await send(), foreign)))).toBe("allowed");
  });

  it("once its device is a target, revoked, or its entry has ended", async () => {
    const wire = await sendSigned();
    const revoked = new DevicesInMemory();
    revoked.revoked.add(laptop.publicKey.deviceId);
    for (const [code, trust] of [
      ["role_not_controller", new DevicesInMemory(laptop.entry({ role: "target" }))],
      ["entry_expired", new DevicesInMemory(laptop.entry({ expiresAt: noon }))],
      ["device_revoked", revoked],
    ] as const)
      expect(outcome(await verifierWith({ trust })(wire))).toBe(code);
  });

  it("if it expires, or its device is revoked, while the body comes", async () => {
    for (const happens of ["clock_skew", "device_revoked"]) {
      const trust = new DevicesInMemory(laptop.entry());
      let now = noon;
      let release = () => {};
      const bodyAfter = new Promise<void>((resolve) => {
        release = resolve;
      });
      const deciding = verifierWith({ trust, now: () => now * 1000 })({ ...(await sendSigned()), bodyAfter });
      if (happens === "clock_skew") now = noon + 91;
      else trust.revoked.add(laptop.publicKey.deviceId);
      release();
      expect(outcome(await deciding)).toBe(happens);
    }
  });
});

describe("the nonce of an HTTP signature", () => {
  it("is good once, and kept until nobody would take the signature any more", async () => {
    const recorded: [string, number][] = [];
    const memory = new InMemoryNonceStore();
    const nonces = {
      checkAndRecord: (nonce: string, window: number) => {
        recorded.push([nonce, window]);
        return memory.checkAndRecord(nonce, window);
      },
    };
    const verify = verifierWith({ nonces });
    const wire = await sendSigned({ parameters: { nonce: "the-nonce-of-this", expires: noon + 100 } });
    expect(outcome(await verify(wire))).toBe("allowed");
    expect(outcome(await verify(wire))).toBe("replay_detected");
    expect(recorded[0]).toEqual([`hs:${laptop.publicKey.deviceId}:the-nonce-of-this`, 100 + 30 + 11]);
  });

  it("counts once for a request that passes two verifiers, and is not an AuthMesh header's", async () => {
    const options = {
      trust: new DevicesInMemory(laptop.entry()),
      nonces: new InMemoryNonceStore(),
      audience: "api.example.com",
      now: () => noon * 1000,
    };
    const request = receive(await sendSigned());
    expect(outcome(await createVerifier(options)(request))).toBe("allowed");
    expect(outcome(await createVerifier(options)(request))).toBe("allowed");
  });

  it("is refused if it was signed before the store began to remember", async () => {
    const nonces = { checkAndRecord: async () => true, acceptsFrom: noon };
    expect(outcome(await verifierWith({ nonces })(await sendSigned()))).toBe("replay_epoch");
  });
});

describe("an HTTP signature by a session key", () => {
  async function sendDelegated(
    call: Omit<SignedCall, "device"> & { delegation?: string; by?: typeof laptop } = {},
  ) {
    const session = SessionKey.generate();
    const delegation = call.delegation ?? (await delegate({ session, ...(call.by && { by: call.by }) }));
    return sendSigned({
      ...call,
      device: { publicKey: laptop.publicKey, sign: async (message) => session.sign(message) },
      headers: { "authmesh-delegation": delegation, ...call.headers },
    });
  }

  it("is the device's own", async () => {
    const decision = await verifierWith()(await sendDelegated());
    expect(decision).toMatchObject({ allowed: true, caller: { id: laptop.publicKey.deviceId } });
  });

  it("is refused without the delegation, with another one, or when another device delegates", async () => {
    const other = await delegate();
    for (const [code, call] of [
      ["signature_invalid", { headers: { "authmesh-delegation": undefined } }],
      ["signature_invalid", { delegation: other }],
      ["delegation_invalid", { by: stranger }],
      ["delegation_invalid", { delegation: "x" }],
      ["coverage_incomplete", { cover: without("authmesh-delegation") }],
    ] as const)
      expect(outcome(await verifierWith()(await sendDelegated(call)))).toBe(code);
  });

  it("is refused when the session key's own id is named", async () => {
    const wire = await sendDelegated({ parameters: { keyid: stranger.publicKey.deviceId } });
    expect(outcome(await verifierWith()(wire))).toBe("delegation_invalid");
  });
});

describe("whatever the bytes of the fields", () => {
  it("there is a decision, and nobody is let in by others than were signed", async () => {
    const verify = verifierWith({ nonces: { checkAndRecord: async () => true } });
    const wire = await sendSigned();
    const names = ["signature-input", "signature", "content-digest"] as const;
    const cut = fc.record({
      name: fc.constantFrom(...names),
      at: fc.nat({ max: 400 }),
      by: anyText(8),
      length: fc.nat({ max: 8 }),
    });
    // White space between members says nothing, and base64 of a signature has several spellings.
    const signed = (of: Wire) =>
      ["signature-input", "content-digest"].map((name) => value(of, name).replace(/\s/g, ""));
    await fc.assert(
      fc.asyncProperty(fc.array(cut, { minLength: 1, maxLength: 3 }), async (cuts) => {
        const changed = cuts.reduce<Wire>(
          (before, { name, at, by, length }) =>
            edit(name, (text) => text.slice(0, at) + by + text.slice(at + length))(before),
          wire,
        );
        const decision = await verify(changed);
        if (decision.allowed) expect(signed(changed)).toEqual(signed(wire));
      }),
      { numRuns: 500 },
    );
  });
});
