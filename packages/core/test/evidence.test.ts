import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  auditedText,
  canonicalJson,
  checkEventEvidence,
  checkEvidence,
  type Decision,
  type Evidence,
  type JsonObject,
  type RecordedRequest,
  requestAuditEvent,
  SessionKey,
  sha256Hex,
} from "../src/index.js";
import { delegate, sendDelegated } from "./delegation-fixture.js";
import { sendSigned } from "./http-signature-fixture.js";
import {
  laptop,
  noon,
  send,
  stranger,
  verifierWith,
  type Wire,
  withHeaders,
} from "./verification-fixture.js";

/** By each kind of proof. */
const ways: readonly (readonly [string, (call?: { readonly body?: string | undefined }) => Promise<Wire>])[] =
  [
    ["an AuthMesh header", send],
    ["an AuthMesh header of a session", sendDelegated],
    ["an HTTP signature", sendSigned],
  ];

const eventOf = (decision: Decision) =>
  requestAuditEvent(
    decision,
    { method: "POST", host: "api.example.com" },
    { time: noon, source: "//api.example.com" },
  );
/** What is kept of a request and its evidence. */
const partsOf = ({ data }: { readonly data: JsonObject }) => ({
  evidence: data["evidence"] as unknown as Evidence,
  request: data["request"] as unknown as RecordedRequest,
});
const keep = async (wire: Wire) => eventOf(await verifierWith({ evidence: true })(wire));

describe.each(ways)("the evidence of %s", (_, sendIt) => {
  it("holds for what was recorded, and says who signed when", async () => {
    const event = await keep(await sendIt());
    const { deviceId } = laptop.publicKey;
    expect(event).toMatchObject({
      specversion: "1.0",
      type: "dev.authmesh.request.allowed",
      id: expect.stringMatching(/^[\w-]{16}$/),
      source: "//api.example.com",
      time: new Date(noon * 1000).toISOString(),
      subject: deviceId,
      proven: true,
      datacontenttype: "application/json",
      data: {
        caller: { kind: "device", id: deviceId, name: "Dev Laptop" },
        request: { method: "POST", target: "/api/orders?b=2&a=1", host: "api.example.com" },
      },
    });
    const again = JSON.parse(canonicalJson({ ...event })) as typeof event;
    expect(checkEventEvidence(again.data)).toEqual({
      holds: true,
      deviceId: laptop.publicKey.deviceId,
      signedAt: noon,
    });
  });

  it("holds for a request without a body", async () => {
    const { evidence, request } = partsOf(await keep(await sendIt({ body: undefined })));
    expect(checkEvidence(evidence, request).holds).toBe(true);
    const bodyHash = `sha256:${"0".repeat(64)}`;
    expect(checkEvidence(evidence, { ...request, bodyHash }).holds).toBe(false);
  });

  it.each<[string, Partial<RecordedRequest>]>([
    ["method", { method: "PUT" }],
    ["target", { target: "/api/orders?b=2&a=2" }],
    ["target", { target: "/api/refunds?b=2&a=1" }],
    ["body", { bodyHash: `sha256:${"0".repeat(64)}` }],
  ])("does not hold for another %s", async (what, change) => {
    const { evidence, request } = partsOf(await keep(await sendIt()));
    const check = checkEvidence(evidence, { ...request, ...change });
    expect(check).toMatchObject({ holds: false, problem: expect.stringContaining(what) });
  });

  it("does not hold when any of it was changed", async () => {
    const { evidence, request } = partsOf(await keep(await sendIt()));
    const first = evidence.signature[0] === "A" ? "B" : "A";
    for (const change of [
      { deviceKey: stranger.publicKey.base64 },
      { signature: first + evidence.signature.slice(1) },
      { kind: evidence.kind === "authmesh" ? "http-signature" : "authmesh" },
      { kind: "constructor" },
      { signed: 5 },
      { delegation: await delegate() },
    ])
      expect(checkEvidence({ ...evidence, ...change } as Evidence, request).holds).toBe(false);
  });
});

it("is kept only where it is asked for, and of a caller that proved itself", async () => {
  const plain = eventOf(await verifierWith()(await send()));
  expect(plain.data).not.toHaveProperty("evidence");
  expect(checkEventEvidence(plain.data)).toBeUndefined();
  const wire = await send();
  const verify = verifierWith({ evidence: true, scope: "orders:w" });
  const refused = eventOf(await verify(wire));
  expect(refused).toMatchObject({ type: "dev.authmesh.request.refused", proven: true });
  expect(refused.data).toMatchObject({ code: "scope_missing", step: "scope" });
  expect(checkEventEvidence(refused.data)?.holds).toBe(true);
  const replayed = eventOf(await verify(wire));
  expect(replayed).toMatchObject({ proven: false, data: { code: "replay_detected" } });
  expect(replayed.data).not.toHaveProperty("evidence");
});

it("is of nobody who only claims to be somebody, and the claim is marked as one", async () => {
  const wire = await send();
  const forged = withHeaders(wire, {
    authorization: [(wire.headers["authorization"]?.[0] ?? "").replace(/sig="../, 'sig="AA')],
  });
  const event = eventOf(await verifierWith({ evidence: true })(forged));
  expect(event).toMatchObject({ proven: false, data: { code: "signature_invalid", step: "signature" } });
  expect(event.data["unverified"]).toMatchObject({ caller: { id: laptop.publicKey.deviceId } });
  expect(partsOf(event).request.bodyHash).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(event).not.toHaveProperty("subject");
  for (const member of ["caller", "evidence"]) expect(event.data).not.toHaveProperty(member);
});

it("needs a delegation that was in force when the request was signed", async () => {
  const session = SessionKey.generate();
  const delegation = await delegate({ session });
  for (const [at, holds] of [
    [noon - 301, false],
    [noon, true],
    [noon + 299, true],
    [noon + 300, false],
  ] as const) {
    const wire = await sendDelegated({ session, at, delegatedAt: at });
    const event = eventOf(await verifierWith({ evidence: true, now: () => at * 1000 })(wire));
    const { evidence, request } = partsOf(event);
    expect(checkEvidence({ ...evidence, delegation }, request).holds, `${at - noon} s`).toBe(holds);
  }
});

it("never throws, whatever it is given", () => {
  const words = fc.constantFrom("authmesh", "http-signature", '"@method": POST', laptop.publicKey.base64);
  const part = fc.oneof(fc.string(), words, fc.jsonValue());
  const given = fc.record({ kind: part, signed: part, signature: part, deviceKey: part, delegation: part });
  fc.assert(
    fc.property(given, (evidence) => {
      const check = checkEvidence(evidence as unknown as Evidence, { method: "GET", target: "/" });
      expect(check.holds).toBe(false);
    }),
  );
  const data = fc.record({ evidence: fc.oneof(given, fc.jsonValue()), request: fc.jsonValue() });
  fc.assert(fc.property(data, (data) => checkEventEvidence(data as JsonObject)?.holds === false));
});

it("stands beside no more than a piece of a long target that nobody signed", async () => {
  const long = `/${"x".repeat(15_000)}`;
  const wire = await send();
  const stranger = eventOf(await verifierWith({})({ ...wire, target: long }));
  const cut = `${long.slice(0, 256)}…sha256:${sha256Hex(long)}`;
  expect(stranger).toMatchObject({ proven: false, data: { request: { target: cut } } });
  expect(auditedText(long, true)).toBe(long);
  expect(auditedText(long.slice(0, 256), false)).toBe(long.slice(0, 256));
  const torn = auditedText(`${"x".repeat(255)}\u{1f600}`, false);
  expect(torn.isWellFormed()).toBe(true);
});
