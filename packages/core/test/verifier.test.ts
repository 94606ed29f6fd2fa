import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { failure } from "../src/errors.js";
import { AmeshError, authMeshSteps, InMemoryNonceStore, type VerifierOptions } from "../src/index.js";
import { anyText } from "./any-text.js";
import {
  DevicesInMemory,
  laptop,
  noon,
  outcome,
  send,
  stranger,
  verifierWith,
  type Wire,
  withHeaders,
} from "./verification-fixture.js";

const expired = laptop.entry({ expiresAt: noon });
const full = () => new InMemoryNonceStore({ maxNonces: 1 });
const brokenStore = (error: unknown) => ({ checkAndRecord: () => Promise.reject(error) });
const trusting = (change: (trust: DevicesInMemory) => void): DevicesInMemory => {
  const trust = new DevicesInMemory(laptop.entry());
  change(trust);
  return trust;
};
const header = (wire: Wire): string => wire.headers["authorization"]?.[0] as string;
const withAuthorization = (change: (value: string) => string) => (wire: Wire) =>
  withHeaders(wire, { authorization: [change(header(wire))] });
const withTarget = (target: string) => (wire: Wire) => ({ ...wire, target });
const withBody = (body: string) => (wire: Wire) => ({ ...wire, body: new TextEncoder().encode(body) });
const failing = (error: AmeshError) => (wire: Wire) => ({ ...wire, bodyFails: error });
const same = (wire: Wire) => wire;

describe("a request as it was signed", () => {
  it("is allowed, and the decision says who called and what was checked", async () => {
    const trust = new DevicesInMemory(laptop.entry({ scopes: { orders: "rw" }, expiresAt: noon + 60 }));
    const decision = await verifierWith({ trust })(await send());
    expect(decision).toEqual({
      allowed: true,
      id: expect.stringMatching(/^[A-Za-z0-9_-]{16}$/),
      caller: {
        kind: "device",
        id: laptop.publicKey.deviceId,
        name: "Dev Laptop",
        scopes: { orders: "rw" },
        verifiedAt: noon,
        expiresAt: noon + 60,
      },
      steps: authMeshSteps.map(({ name }) => ({ step: name, outcome: "passed" })),
      warnings: [],
      proven: true,
      target: "/api/orders?b=2&a=1",
      bodyHash: "sha256:4d4bbe59c6aad22442cde199a6a8a5f034405fcd78fb5a81c24ef249de1c45f1",
    });
  });

  it.each([
    ["GET without a body", { method: "GET", body: undefined }],
    ["POST with an empty body", { body: "" }],
    ["DELETE with a body", { method: "DELETE", body: "x", contentType: "text/plain" }],
    ["a body without a content type", { contentType: undefined }],
    ["a query in another order", { url: "https://api.example.com/?z=1&a=%20&z=0" }],
    ["a path with what routers leave alone", { url: "https://api.example.com/a%2Fb;v=1//c" }],
  ])("is allowed: %s", async (_, call) => {
    expect(outcome(await verifierWith()(await send(call)))).toBe("allowed");
  });

  it("is allowed after the query was put in another order or spelling on the way", async () => {
    const wire = await send({ url: "https://api.example.com/p?b=x%20y&a=1" });
    for (const target of ["/p?a=1&b=x+y", "/p?b=x+y&&a=1", "/p?a=%31&b=x%20y"]) {
      expect(outcome(await verifierWith()({ ...wire, target }))).toBe("allowed");
    }
  });

  it("is allowed as identity and as an encoding the application decodes", async () => {
    const identity = await send({ contentEncoding: "identity" });
    expect(outcome(await verifierWith()(identity))).toBe("allowed");
    const gzip = await send({ contentEncoding: "GZIP" });
    expect(outcome(await verifierWith({ contentEncodings: ["gzip"] })(gzip))).toBe("allowed");
  });

  it("is allowed with spaces and tabs around the content type on the wire", async () => {
    const wire = withHeaders(await send(), { "content-type": [" \tapplication/json\t"] });
    expect(outcome(await verifierWith()(wire))).toBe("allowed");
  });

  it("is allowed with an override header that an option lets through", async () => {
    const wire = withHeaders(await send(), { "x-http-method-override": ["PATCH"] });
    const options = { allowOverrideHeaders: ["X-HTTP-Method-Override"] };
    expect(outcome(await verifierWith(options)(wire))).toBe("allowed");
  });

  it("gets another decision id every time", async () => {
    const verify = verifierWith();
    const wire = await send();
    const ids = await Promise.all(Array.from({ length: 20 }, async () => (await verify(wire)).id));
    expect(new Set(ids).size).toBe(20);
  });
});

describe("a request is refused", () => {
  it.each<[string, string, string, (wire: Wire) => Wire, Partial<VerifierOptions>]>([
    ["no Authorization", "missing_header", "header", (w) => withHeaders(w, { authorization: [] }), {}],
    ["an empty Authorization", "malformed_header", "header", withAuthorization(() => ""), {}],
    ["a bearer token", "malformed_header", "header", withAuthorization(() => "Bearer x"), {}],
    [
      "two Authorizations",
      "malformed_header",
      "header",
      (w) => withHeaders(w, { authorization: [header(w), header(w)] }),
      {},
    ],
    ["version 2", "unsupported_version", "header", withAuthorization((v) => v.replace('"1"', '"2"')), {}],
    ["a target of two slashes", "malformed_target", "target", withTarget("//evil.example/"), {}],
    ["a dot segment", "malformed_target", "target", withTarget("/a/%2e%2e/orders"), {}],
    ["absolute form", "malformed_target", "target", withTarget("http://api.example.com/"), {}],
    ["two Hosts", "malformed_header", "target", (w) => withHeaders(w, { host: ["a", "a"] }), {}],
    [
      "two content types",
      "malformed_header",
      "body headers",
      (w) => withHeaders(w, { "content-type": ["application/json", "text/plain"] }),
      {},
    ],
    [
      "two content encodings",
      "malformed_header",
      "body headers",
      (w) => withHeaders(w, { "content-encoding": ["gzip", "gzip"] }),
      {},
    ],
    [
      "a newline in the content type",
      "malformed_header",
      "body headers",
      (w) => withHeaders(w, { "content-type": ["application/json\ngzip"] }),
      {},
    ],
    [
      "space around the content type that is not HTTP's",
      "malformed_header",
      "body headers",
      (w) => withHeaders(w, { "content-type": ["\u00a0application/json"] }),
      {},
    ],
    [
      "an encoding nobody decodes",
      "unsupported_content_encoding",
      "body headers",
      (w) => withHeaders(w, { "content-encoding": ["gzip"] }),
      { contentEncodings: ["br"] },
    ],
    ["a body announced too large", "payload_too_large", "body headers", same, { maxBodyBytes: 13 }],
    [
      "a list that cannot be trusted",
      "allow_list_integrity_failure",
      "allow list",
      same,
      { trust: trusting((t) => (t.problem = failure("allow_list_integrity_failure"))) },
    ],
    ["an unknown device", "device_unknown", "device", same, { trust: new DevicesInMemory(stranger.entry()) }],
    [
      "an id that is not a point",
      "device_unknown",
      "device",
      withAuthorization((v) => v.replace(laptop.publicKey.base64, "A".repeat(44))),
      {},
    ],
    [
      "a pending device",
      "device_unknown",
      "device",
      same,
      { trust: new DevicesInMemory(laptop.entry({ status: "pending" })) },
    ],
    [
      "a device that is only called from here",
      "role_not_controller",
      "device",
      same,
      { trust: new DevicesInMemory(laptop.entry({ role: "target" })) },
    ],
    [
      "a revoked device whose entry is gone",
      "device_revoked",
      "device",
      same,
      {
        trust: trusting((t) => {
          t.entries = [];
          t.revoked.add(laptop.publicKey.deviceId);
        }),
      },
    ],
    ["an expired entry", "entry_expired", "entry", same, { trust: new DevicesInMemory(expired) }],
    ["a slow clock", "clock_skew", "clock", same, { now: () => (noon + 31) * 1000 }],
    ["a fast clock", "clock_skew", "clock", same, { now: () => (noon - 31) * 1000 + 999 }],
    ["another host", "host_mismatch", "binding", same, { audience: "other.example.com" }],
    [
      "another content type",
      "host_mismatch",
      "binding",
      (w) => withHeaders(w, { "content-type": ["text/plain"] }),
      {},
    ],
    [
      "a content encoding added on the way",
      "host_mismatch",
      "binding",
      (w) => withHeaders(w, { "content-encoding": ["identity"] }),
      {},
    ],
    ["a body taken away", "host_mismatch", "binding", (w) => ({ ...w, body: undefined }), {}],
    [
      "no audience where a binding is required",
      "verifier_not_ready",
      "binding",
      same,
      { audience: undefined, requireHostBinding: true },
    ],
    [
      "a revoked device whose entry is left",
      "device_revoked",
      "revocation",
      same,
      { trust: trusting((t) => t.revoked.add(laptop.publicKey.deviceId)) },
    ],
    ["a slow body", "body_timeout", "body", failing(new AmeshError("body_timeout")), {}],
    ["half a body", "body_incomplete", "body", failing(new AmeshError("body_incomplete")), {}],
    [
      "a body that is gone",
      "body_parser_ordering_error",
      "body",
      failing(new AmeshError("body_parser_ordering_error")),
      {},
    ],
    [
      "a body that grows too large",
      "payload_too_large",
      "body",
      (w) => withHeaders(w, { "content-length": [] }),
      { maxBodyBytes: 13 },
    ],
    ["another body", "signature_invalid", "signature", withBody('{"amount":900}'), {}],
    ["another method", "signature_invalid", "signature", (w) => ({ ...w, method: "PUT" }), {}],
    ["another path", "signature_invalid", "signature", withTarget("/api/refunds?b=2&a=1"), {}],
    ["another query", "signature_invalid", "signature", withTarget("/api/orders?b=2&a=2"), {}],
    ["a second question mark", "signature_invalid", "signature", withTarget("/api/orders??b=2&a=1"), {}],
    [
      "another time",
      "signature_invalid",
      "signature",
      withAuthorization((v) => v.replace(String(noon), String(noon + 1))),
      {},
    ],
    [
      "a stamp before the store began to remember",
      "replay_epoch",
      "nonce",
      same,
      { nonces: new InMemoryNonceStore({ replayEpoch: true, now: () => noon * 1000 }) },
    ],
    [
      "a nonce used before",
      "replay_detected",
      "nonce",
      same,
      { nonces: { checkAndRecord: async () => false } },
    ],
    [
      "a store that cannot be asked",
      "replay_store_unavailable",
      "nonce",
      same,
      { nonces: brokenStore(new AmeshError("replay_store_unavailable")) },
    ],
    [
      "a store that fails in its own words",
      "replay_store_unavailable",
      "nonce",
      same,
      { nonces: brokenStore(new Error("connect redis://:password@10.0.0.1")) },
    ],
    [
      "a store that rejects with nothing",
      "replay_store_unavailable",
      "nonce",
      same,
      { nonces: brokenStore(undefined) },
    ],
    ["no grant", "scope_missing", "scope", same, { scope: "orders:w" }],
    [
      "too small a grant",
      "scope_missing",
      "scope",
      same,
      { scope: "orders:w", trust: new DevicesInMemory(laptop.entry({ scopes: { orders: "r" } })) },
    ],
  ])("for %s: %s at the step %s", async (_, code, step, change, options) => {
    const decision = await verifierWith(options)(change(await send()));
    expect(decision).toMatchObject({ allowed: false, step, failure: { code } });
    expect(decision.steps.at(-1)).toEqual({ step, outcome: "refused" });
    expect(decision.steps.slice(0, -1).every((passed) => passed.outcome === "passed")).toBe(true);
  });

  it.each([
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
  ])("for the header %s: malformed_target", async (name) => {
    const decision = await verifierWith()(withHeaders(await send(), { [name]: ["/x"] }));
    expect(decision).toMatchObject({ step: "target", failure: { code: "malformed_target" } });
  });

  it("for a full store: replay_store_full", async () => {
    const verify = verifierWith({ nonces: full() });
    expect(outcome(await verify(await send()))).toBe("allowed");
    expect(outcome(await verify(await send()))).toBe("replay_store_full");
  });

  it("for a failure that has no status of HTTP, thrown or returned: verifier_not_ready, with its reason", async () => {
    const locked = failure("allow_list_locked");
    const returned = trusting((trust) => {
      trust.problem = locked;
    });
    const thrown = trusting((trust) => {
      trust.check = () => {
        throw new AmeshError(locked);
      };
    });
    for (const trust of [returned, thrown]) {
      expect(await verifierWith({ trust })(await send())).toMatchObject({
        step: "allow list",
        failure: { code: "verifier_not_ready", status: 500, detail: locked.detail, fix: locked.fix },
      });
    }
  });

  it("with the one public answer behind every 401", async () => {
    const unknown = await verifierWith()(await send({ device: stranger }));
    expect(unknown).toMatchObject({
      failure: { code: "device_unknown", status: 401, public: "unauthorized" },
    });
  });

  it("with the caller's name as far as it was known by then", async () => {
    const late = await verifierWith({ audience: "other.example.com" })(await send());
    expect(late).toMatchObject({ caller: { id: laptop.publicKey.deviceId, name: "Dev Laptop" } });
    const early = await verifierWith()(await send({ device: stranger }));
    expect(early).not.toHaveProperty("caller");
  });

  it("without the message of a store that failed, which may hold a password", async () => {
    const nonces = brokenStore(
      Object.assign(new Error("redis://:password@10.0.0.1"), { code: "ECONNREFUSED" }),
    );
    const decision = await verifierWith({ nonces })(await send());
    expect(decision).toMatchObject({
      failure: { status: 503, detail: 'The nonce store failed: "ECONNREFUSED".' },
    });
  });
});

type Changeable = { -readonly [K in keyof VerifierOptions]: VerifierOptions[K] };
type Defect = [
  code: string,
  onTheWay: (wire: Wire) => Wire,
  here: (options: Changeable, trust: DevicesInMemory) => void,
];

describe("a request wrong in two ways is refused for the earlier one", () => {
  /** One way to be wrong for each step, in the order of the steps. */
  const defects: readonly Defect[] = [
    ["missing_header", (w) => withHeaders(w, { authorization: [] }), () => {}],
    ["unsupported_version", withAuthorization((v) => (v ?? "").replace('v="1"', 'v="2"')), () => {}],
    ["malformed_target", withTarget("//"), () => {}],
    ["unsupported_content_encoding", (w) => withHeaders(w, { "content-encoding": ["br"] }), () => {}],
    ["payload_too_large", (w) => withHeaders(w, { "content-length": ["1048577"] }), () => {}],
    [
      "allow_list_integrity_failure",
      same,
      (_, trust) => {
        trust.problem = failure("allow_list_integrity_failure");
      },
    ],
    [
      "role_not_controller",
      same,
      (_, trust) => {
        trust.entries = trust.entries.map((entry) => ({ ...entry, role: "target" }));
      },
    ],
    [
      "entry_expired",
      same,
      (_, trust) => {
        trust.entries = trust.entries.map((entry) => ({ ...entry, expiresAt: noon - 100 }));
      },
    ],
    [
      "clock_skew",
      same,
      (options) => {
        options.now = () => (noon - 40) * 1000;
      },
    ],
    [
      "host_mismatch",
      same,
      (options) => {
        options.audience = "other.example.com";
      },
    ],
    ["device_revoked", same, (_, trust) => trust.revoked.add(laptop.publicKey.deviceId)],
    ["body_timeout", failing(new AmeshError("body_timeout")), () => {}],
    ["signature_invalid", (w) => ({ ...w, method: "PUT" }), () => {}],
    [
      "replay_detected",
      same,
      (options) => {
        options.nonces = { checkAndRecord: async () => false };
      },
    ],
    [
      "scope_missing",
      same,
      (options) => {
        options.scope = "orders:w";
      },
    ],
  ];
  const pairs = defects.flatMap((earlier, i) =>
    defects.slice(i + 1).map((later) => [earlier, later] as const),
  );

  it.each(pairs.map(([earlier, later]) => [earlier[0], later[0], earlier, later] as const))(
    "%s, not %s",
    async (code, _, earlier, later) => {
      const trust = new DevicesInMemory(laptop.entry());
      const options: Changeable = { trust, nonces: new InMemoryNonceStore() };
      let wire = await send();
      for (const [, onTheWay, here] of [later, earlier]) {
        wire = onTheWay(wire);
        here(options, trust);
      }
      expect(outcome(await verifierWith(options)(wire))).toBe(code);
    },
  );
});

describe("the clock", () => {
  it.each([
    [30, 30, "allowed"],
    [30, -30, "allowed"],
    [30, 31, "clock_skew"],
    [30, -31, "clock_skew"],
    [0, 0, "allowed"],
    [0, 1, "clock_skew"],
    [0, -1, "clock_skew"],
    [300, 300, "allowed"],
    [300, 301, "clock_skew"],
  ])("with %i s allowed and the caller %i s off: %s", async (clockSkewSeconds, off, expected) => {
    for (const fraction of [0, 999]) {
      const verify = verifierWith({ clockSkewSeconds, now: () => noon * 1000 + fraction });
      expect(outcome(await verify(await send({ at: noon + off })))).toBe(expected);
    }
  });

  it("says by how much and on which side the caller is off", async () => {
    const behind = await verifierWith()(await send({ at: noon - 45 }));
    expect(behind).toMatchObject({ failure: { detail: expect.stringContaining("45 s behind") } });
    const ahead = await verifierWith()(await send({ at: noon + 45 }));
    expect(ahead).toMatchObject({ failure: { detail: expect.stringContaining("45 s ahead") } });
  });

  it("lets an entry expire at its very second", async () => {
    const trust = new DevicesInMemory(laptop.entry({ expiresAt: noon + 1 }));
    let now = noon * 1000 + 999;
    const verify = verifierWith({ trust, now: () => now });
    expect(outcome(await verify(await send()))).toBe("allowed");
    now += 1;
    expect(outcome(await verify(await send()))).toBe("entry_expired");
  });
});

describe("whatever the request holds, the verifier decides", () => {
  it("and never throws", async () => {
    const wire = await send();
    const text = fc.oneof(
      anyText(),
      fc.constantFrom("", "api.example.com", header(wire), "application/json", "*"),
    );
    const values = fc.array(text, { maxLength: 2 });
    const changed = fc.record(
      {
        method: text,
        target: fc.oneof(
          text,
          text.map((path) => `/${path}`),
        ),
        headers: fc.record(
          {
            authorization: values,
            host: values,
            "x-forwarded-host": values,
            "content-type": values,
            "content-encoding": values,
            "content-length": values,
          },
          { requiredKeys: [] },
        ),
        body: fc.option(fc.uint8Array({ maxLength: 20 }), { nil: undefined }),
      },
      { requiredKeys: [] },
    );
    const verify = verifierWith({ trustProxy: true });
    await fc.assert(
      fc.asyncProperty(changed, async ({ headers = {}, ...rest }) => {
        const decision = await verify(withHeaders({ ...wire, ...rest }, headers));
        if (decision.allowed) return;
        expect(decision.failure.status).toBeGreaterThanOrEqual(400);
        expect(decision.failure.detail).toMatch(/^[\x20-\x7e\u00a0-\u{10ffff}]*$/u);
        expect(decision.failure.detail).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
        expect(decision.failure.detail.length).toBeLessThan(1000);
      }),
      { numRuns: 300 },
    );
  });

  it.each([
    ["the target", (w: Wire, evil: string) => ({ ...w, target: `/${evil}` })],
    ["the version", (w: Wire, evil: string) => withAuthorization((v) => v.replace('"1"', `"${evil}"`))(w)],
    ["Host", (w: Wire, evil: string) => withHeaders(w, { host: [evil] })],
    ["the content type", (w: Wire, evil: string) => withHeaders(w, { "content-type": [evil] })],
    ["the content encoding", (w: Wire, evil: string) => withHeaders(w, { "content-encoding": [evil] })],
  ])("and text of %s cannot write into the log", async (_, change) => {
    for (const evil of ["x\nforged line", "x\u001b[2J", "x\u202ey", "y".repeat(5000)]) {
      const decision = await verifierWith({ audience: "other.example.com" })(change(await send(), evil));
      expect(decision.allowed).toBe(false);
      if (decision.allowed) return;
      expect(decision.failure.detail).not.toMatch(/[\p{Cc}\p{Cf}]|y{65}/u);
    }
  });

  it("but a fault of the adapter is not taken for a verdict", async () => {
    const wire = await send();
    const broken = { ...wire, bodyFails: new TypeError("bug") as unknown as AmeshError };
    await expect(verifierWith()(broken)).rejects.toThrow("bug");
  });
});
