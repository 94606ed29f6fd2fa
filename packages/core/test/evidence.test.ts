import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  auditEvent,
  checkEvidence,
  type Decision,
  type Evidence,
  type RecordedRequest,
  SessionKey,
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
  auditEvent(decision, { method: "POST", host: "api.example.com" }, noon);
const keep = async (wire: Wire) => eventOf(await verifierWith({ evidence: true })(wire));

describe.each(ways)("the evidence of %s", (_, sendIt) => {
  it("holds for what was recorded, and says who signed when", async () => {
    const event = await keep(await sendIt());
    expect(event).toMatchObject({
      outcome: "allowed",
      proven: true,
      time: noon,
      caller: { kind: "device", id: laptop.publicKey.deviceId, name: "Dev Laptop" },
      request: { method: "POST", target: "/api/orders?b=2&a=1", host: "api.example.com" },
    });
    const again = JSON.parse(JSON.stringify(event)) as typeof event;
    expect(checkEvidence(again.evidence as Evidence, again.request)).toEqual({
      holds: true,
      deviceId: laptop.publicKey.deviceId,
      signedAt: noon,
    });
  });

  it("holds for a request without a body", async () => {
    const event = await keep(await sendIt({ body: undefined }));
    expect(checkEvidence(event.evidence as Evidence, event.request).holds).toBe(true);
    const request = { ...event.request, bodyHash: `sha256:${"0".repeat(64)}` };
    expect(checkEvidence(event.evidence as Evidence, request).holds).toBe(false);
  });

  it.each<[string, Partial<RecordedRequest>]>([
    ["method", { method: "PUT" }],
    ["target", { target: "/api/orders?b=2&a=2" }],
    ["target", { target: "/api/refunds?b=2&a=1" }],
    ["body", { bodyHash: `sha256:${"0".repeat(64)}` }],
  ])("does not hold for another %s", async (what, change) => {
    const { evidence, request } = await keep(await sendIt());
    const check = checkEvidence(evidence as Evidence, { ...request, ...change });
    expect(check).toMatchObject({ holds: false, problem: expect.stringContaining(what) });
  });

  it("does not hold when any of it was changed", async () => {
    const event = await keep(await sendIt());
    const evidence = event.evidence as Evidence;
    const first = evidence.signature[0] === "A" ? "B" : "A";
    for (const change of [
      { deviceKey: stranger.publicKey.base64 },
      { signature: first + evidence.signature.slice(1) },
      { kind: evidence.kind === "authmesh" ? "http-signature" : "authmesh" },
      { kind: "constructor" },
      { signed: 5 },
      { delegation: await delegate() },
    ])
      expect(checkEvidence({ ...evidence, ...change } as Evidence, event.request).holds).toBe(false);
  });
});

it("is kept only where it is asked for, and of a caller that proved itself", async () => {
  expect(eventOf(await verifierWith()(await send()))).not.toHaveProperty("evidence");
  const wire = await send();
  const verify = verifierWith({ evidence: true, scope: "orders:w" });
  const refused = eventOf(await verify(wire));
  expect(refused).toMatchObject({ outcome: "refused", proven: true, code: "scope_missing", step: "scope" });
  expect(checkEvidence(refused.evidence as Evidence, refused.request).holds).toBe(true);
  const replayed = eventOf(await verify(wire));
  expect(replayed).toMatchObject({ proven: false, code: "replay_detected" });
  expect(replayed).not.toHaveProperty("evidence");
  const forged = withHeaders(wire, {
    authorization: [(wire.headers["authorization"]?.[0] ?? "").replace(/sig="../, 'sig="AA')],
  });
  const unproven = eventOf(await verify(forged));
  expect(unproven).toMatchObject({ proven: false, code: "signature_invalid", step: "signature" });
  expect(unproven.request.bodyHash).toMatch(/^sha256:[0-9a-f]{64}$/);
  expect(unproven).not.toHaveProperty("evidence");
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
    const evidence = { ...(event.evidence as Evidence), delegation };
    expect(checkEvidence(evidence, event.request).holds, `${at - noon} s`).toBe(holds);
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
});
