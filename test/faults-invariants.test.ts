import { describe, expect, it } from "vitest";
import { type InvariantName, invariants } from "./faults/invariants.js";
import type { AuditRow, Call, Holding, Recorded, Write } from "./faults/record.js";
import { recoveredAfter } from "./faults/record.js";
import { tableOf } from "./faults/table.js";

/** A fault of the first instance, from second 10 to 20. */
const quiet: Recorded = {
  beganAt: 10_000,
  endedAt: 20_000,
  mendedAt: 20_000,
  disturbs: ["api-1"],
  degrades: ["api-1"],
  refuses: { "api-2": ["trust_stale"] },
  cutsOff: ["gateway"],
  servesSeconds: 5,
  pushSeconds: 1,
  recoverySeconds: 15,
  calls: [],
  writes: [],
  samples: [
    { part: "api-1", at: 12_000, status: 0 },
    { part: "api-1", at: 30_000, status: 200 },
  ],
  kills: [],
  rows: [],
  logFindings: [],
  found: new Set(),
  before: new Map(),
  after: new Map(),
};
const accepted: Call = {
  target: "api-2",
  purpose: "honest",
  proof: "/device/1",
  caller: "am_1",
  sentAt: 11_000,
  endedAt: 11_005,
  status: 200,
};
const row: AuditRow = { log: "api-2", id: "d1", allowed: true, proof: "/device/1" };
const refused: Call = { ...accepted, status: 401, code: "unauthorized", decision: "d1" };
const refusedRow: AuditRow = { ...row, allowed: false };
const silent: Call = { ...accepted, target: "api-1", status: 0 };
const revoked: Write = { kind: "revoked", subject: "am_1", acknowledgedAt: 10_500 };
const byRevoked: Call = { ...refused, purpose: "revoked", sentAt: 15_000, endedAt: 15_010 };
const held: Holding = { pid: 1, residentBytes: 100 << 20, descriptors: 30 };
const holdings = (holding: Holding) => new Map([["api-2", holding] as const]);

const check = (wanted: InvariantName, more: Partial<Recorded>): readonly string[] => {
  const found = invariants.find(({ name }) => name === wanted);
  return found?.violations({ ...quiet, ...more }) ?? ["there is no such invariant"];
};

const twice = "nothing is accepted twice";
const letIn = "nobody is let in who was revoked, and nothing that was tampered with";
const lost = "nothing that was acknowledged is lost";
const reasons = "every refusal has a reason, and only what is stopped gives no answer";
const tells = "what does not work says so, and works again";
const served = "honest callers are served by whatever the fault does not touch";
const returns = "memory and sockets return to where they were";

describe("an invariant is kept by", () => {
  it.each<[string, InvariantName, Partial<Recorded>]>([
    ["what was accepted once", twice, { calls: [accepted, refused], rows: [row, refusedRow] }],
    [
      "a revoked caller that is refused",
      letIn,
      { calls: [byRevoked], rows: [{ ...refusedRow, reason: "device_revoked" }], writes: [revoked] },
    ],
    ["a revoked caller within the bound", letIn, { calls: [accepted], writes: [revoked] }],
    [
      "a revoked caller where the feed is cut off, until a copy is too old",
      letIn,
      { calls: [{ ...accepted, target: "gateway", sentAt: 20_500 }], writes: [revoked] },
    ],
    [
      "a revoked caller that is refused for what goes wrong",
      letIn,
      { calls: [{ ...byRevoked, code: "trust_stale", decision: undefined }], writes: [revoked] },
    ],
    ["tampering that is refused", letIn, { calls: [{ ...refused, purpose: "tampered" }] }],
    [
      "what stands in an audit, and is found",
      lost,
      {
        calls: [accepted],
        rows: [row],
        writes: [revoked],
        found: new Set([revoked]),
      },
    ],
    ["a reason in the answer and in the audit", reasons, { calls: [refused], rows: [refusedRow] }],
    ["a refusal that is no decision", reasons, { calls: [{ ...refused, decision: undefined }] }],
    [
      "a refusal just before the guard is killed",
      reasons,
      {
        calls: [refused],
        kills: [{ part: "api-2", at: 11_100 }],
      },
    ],
    ["silence of what is stopped", reasons, { calls: [silent] }],
    [
      "a refusal of what is stopped",
      served,
      { calls: [{ ...refused, target: "api-1", code: "trust_stale", endedAt: 21_000 }] },
    ],
    [
      "a refusal that the fault names, once a copy can be too old",
      served,
      { calls: [{ ...refused, code: "trust_stale", endedAt: 15_100 }] },
    ],
    [
      "an answer of Redis that came too late, once in a thousand",
      served,
      { calls: [{ ...refused, code: "replay_store_unavailable" }, ...Array<Call>(1000).fill(accepted)] },
    ],
    ["silence, which is another's matter", served, { calls: [silent] }],
    ["a part that says that it cannot work, and then that it can", tells, {}],
    [
      "a process that holds a little more",
      returns,
      {
        before: holdings(held),
        after: holdings({ ...held, residentBytes: 150 << 20, descriptors: 40 }),
      },
    ],
    [
      "a process that is another one",
      returns,
      {
        before: holdings(held),
        after: holdings({ pid: 2, residentBytes: 900 << 20, descriptors: 900 }),
      },
    ],
  ])("%s", (_, name, more) => {
    expect(check(name, more)).toEqual([]);
  });
});

describe("an invariant is violated by", () => {
  it.each<[string, InvariantName, Partial<Recorded>, RegExp]>([
    [
      "two answers 200 to one proof",
      twice,
      { calls: [accepted, { ...accepted, target: "gateway" }] },
      /callers.*2 times/,
    ],
    ["two rows of one proof", twice, { rows: [row, { ...row, log: "gateway" }] }, /audit.*2 times/],
    [
      "a revoked caller after the bound",
      letIn,
      {
        calls: [{ ...accepted, sentAt: 11_501 }],
        writes: [revoked],
      },
      /api-2, 1\.5 s: 200/,
    ],
    [
      "a revoked token after the bound",
      letIn,
      {
        calls: [{ ...accepted, proof: "jti", sentAt: 11_501 }],
        writes: [{ ...revoked, subject: "jti" }],
      },
      /jti/,
    ],
    [
      "a revoked caller where the feed is cut off, once a copy is too old",
      letIn,
      { calls: [{ ...accepted, target: "gateway", sentAt: 20_501 }], writes: [revoked] },
      /gateway, 10\.5 s: 200/,
    ],
    [
      "a revoked caller that is refused for another reason",
      letIn,
      {
        calls: [byRevoked],
        rows: [{ ...refusedRow, reason: "replay_detected" }],
        writes: [revoked],
      },
      /by chance \(replay_detected\)/,
    ],
    ["tampering that is let in", letIn, { calls: [{ ...accepted, purpose: "tampered" }] }, /tampered/],
    ["a 200 in no audit", lost, { calls: [accepted] }, /in no audit/],
    [
      "a 200 in the audit of another instance",
      lost,
      { calls: [accepted], rows: [{ ...row, log: "api-1" }] },
      /in no audit/,
    ],
    ["a revocation that is gone", lost, { writes: [revoked] }, /lost that am_1 was revoked/],
    ["a chain with a gap", lost, { logFindings: ["the audit api-2:7 is missing"] }, /missing/],
    [
      "a refusal without a code",
      reasons,
      { calls: [{ ...refused, code: undefined }], rows: [refusedRow] },
      /no reason/,
    ],
    [
      "a code of nobody's catalogue",
      reasons,
      { calls: [{ ...refused, code: "oops" }], rows: [refusedRow] },
      /oops/,
    ],
    ["a refusal that no audit has", reasons, { calls: [refused] }, /in no audit/],
    [
      "a refusal long before the guard is killed",
      reasons,
      {
        calls: [refused],
        kills: [{ part: "api-2", at: 14_000 }],
      },
      /in no audit/,
    ],
    ["silence of what is not stopped", reasons, { calls: [{ ...silent, target: "api-2" }] }, /no answer/],
    [
      "silence before the fault",
      reasons,
      { calls: [{ ...silent, sentAt: 5000, endedAt: 5100 }] },
      /no answer/,
    ],
    [
      "a refusal by what the fault does not touch",
      served,
      { calls: [{ ...refused, target: "relay", code: "rate_limited" }] },
      /rate_limited: honest .* at relay/,
    ],
    [
      "answers of Redis that come too late, once in a hundred",
      served,
      { calls: [{ ...refused, code: "replay_store_unavailable" }, ...Array<Call>(100).fill(accepted)] },
      /replay_store_unavailable/,
    ],
    [
      "a refusal for what the fault does not name",
      served,
      { calls: [{ ...refused, code: "audit_unavailable" }] },
      /audit_unavailable/,
    ],
    [
      "a refusal for the lack of the feed while the copy serves",
      served,
      { calls: [{ ...refused, code: "trust_stale", endedAt: 14_900 }] },
      /trust_stale/,
    ],
    [
      "a refusal before the fault",
      served,
      { calls: [{ ...refused, code: "trust_stale", sentAt: 9000, endedAt: 9100 }] },
      /trust_stale/,
    ],
    [
      "what no honest caller may ever get, of what is stopped",
      served,
      { calls: [{ ...refused, target: "api-1", code: "bad_message" }] },
      /bad_message/,
    ],
    [
      "a part that says all the time that it is well",
      tells,
      {
        samples: [{ part: "api-1", at: 12_000, status: 200 }],
      },
      /api-1 said that it is ready/,
    ],
    [
      "a part that says so only at first",
      tells,
      {
        samples: [
          { part: "api-1", at: 10_500, status: 503 },
          ...[13_000, 14_000, 15_000, 30_000].map((at) => ({ part: "api-1", at, status: 200 }) as const),
        ],
      },
      /api-1 said that it is ready/,
    ],
    [
      "a part that says that it is not, and is",
      tells,
      {
        samples: [
          ...quiet.samples,
          ...[12_000, 13_000, 14_000].map((at) => ({ part: "relay", at, status: 503 }) as const),
          { part: "relay", at: 30_000, status: 200 },
        ],
      },
      /relay said that it is not ready, and nothing/,
    ],
    [
      "silence long after it",
      tells,
      {
        calls: [{ ...silent, sentAt: 35_000, endedAt: 35_100 }],
      },
      /not as before within 15 s/,
    ],
    [
      "a part that is not ready again",
      tells,
      {
        samples: [{ part: "api-1", at: 12_000, status: 503 }],
      },
      /not ready afterwards/,
    ],
    [
      "memory that does not come back",
      returns,
      {
        before: holdings(held),
        after: holdings({ ...held, residentBytes: 300 << 20 }),
      },
      /holds 200 MiB more/,
    ],
    [
      "sockets that stay",
      returns,
      {
        before: holdings(held),
        after: holdings({ ...held, descriptors: 90 }),
      },
      /60 more/,
    ],
  ])("%s", (_, name, more, how) => {
    expect(check(name, more)).toEqual([expect.stringMatching(how)]);
  });
});

describe("the table", () => {
  it("tells how long answers were not as before, by the last that honest callers did not get of what was touched", () => {
    const calls = [
      { ...silent, endedAt: 20_700 },
      { ...silent, endedAt: 15_000 },
      { ...refused, purpose: "replay" as const, endedAt: 29_000 },
      { ...refused, target: "relay" as const, endedAt: 29_000 },
    ];
    expect([recoveredAfter({ ...quiet, calls }), recoveredAfter(quiet)]).toEqual([700, 0]);
  });

  it("is Markdown", () => {
    const counts = { requests: 8000, accepted: 7000, refused: 900, unreachable: 100, recoveredMs: 700 };
    const text = tableOf([{ fault: "SIGKILL of api-1", seconds: 10, ...counts, violations: [] }]);
    expect(text.split("\n").map((line) => line.split("|").length)).toEqual([10, 10, 10]);
    expect(text).toContain("| SIGKILL of api-1 |      10 |     8000 |");
  });
});
