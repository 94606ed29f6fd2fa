import { type CatalogueEntry, catalogue, relayClosings } from "@authmesh/core";
import { boundSeconds, isExplained, isTouched, noticedAfter, reasonsOf } from "./explained.js";
import type { PartName } from "./part.js";
import { type Call, type Recorded, recoveredAfter } from "./record.js";
import { targets } from "./stage.js";

/** What has to hold whatever goes wrong: given what was recorded, each tells how it was violated. */
export interface Invariant {
  readonly name: string;
  violations(recorded: Recorded): readonly string[];
}

/** A guard that is killed has answered what it had no time to write down: refusals alone, since whom it lets in it writes down first. */
const unwrittenMs = 2000;
/** Answers to whether a part is ready that may be otherwise: a busy machine asks late, and waits a second for each. */
const mostSlips = 2;
/** Between what ends a fault and what is noticed of it. */
const noticedMs = 2000;
/** What callers may wait for an answer that never comes. */
export const callTimeoutMs = 5000;
/** Garbage that was not collected yet. */
const residentTolerance = 96 * 1024 * 1024;
/** Connections between the parts that are open by chance. */
const descriptorTolerance = 24;

/** Of each invariant, when a trial fails. */
const mostTold = 6;

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;
const guards: ReadonlySet<string> = new Set(targets);
const reasons: ReadonlySet<string> = new Set([
  ...Object.keys(catalogue),
  ...Object.keys(relayClosings),
  ...Object.values<CatalogueEntry>(catalogue).flatMap((entry) => entry.public ?? []),
]);
const told = ({ purpose, target, proof, status, sentAt }: Call, { beganAt }: Recorded): string =>
  `${purpose} ${proof} at ${target}, ${((sentAt - beganAt) / 1000).toFixed(1)} s: ${status}`;

/** Why callers and tokens are refused that were revoked. */
const revocationCodes: ReadonlySet<string> = new Set(["device_revoked", "enrollment_ended", "revoked"]);
/** What an answer says in place of its reason: the audit has it, unless its guard was killed. */
const withheld = "unauthorized";

/** On a machine that is busy Redis may answer too late, now and then: of the honest calls of a part, so many. */
const mostLate = 0.005;
const ofWaiting = "replay_store_unavailable";

/** Those of which there is more than one. */
function repeated(proofs: readonly string[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const proof of proofs) counts.set(proof, (counts.get(proof) ?? 0) + 1);
  return [...counts].filter(([, count]) => count > 1).map(([proof, count]) => `${proof}: ${count} times`);
}

/** What processes hold that they did not before. */
export function growth({ before, after }: Pick<Recorded, "before" | "after">): readonly string[] {
  return [...after].flatMap(([part, now]) => {
    const then = before.get(part);
    if (then?.pid !== now.pid) return [];
    const grown = now.residentBytes - then.residentBytes;
    const opened = now.descriptors - then.descriptors;
    return [
      ...(grown > residentTolerance ? [`${part} holds ${mebibytes(grown)} more`] : []),
      ...(opened > descriptorTolerance ? [`${part} has ${opened} more files and sockets open`] : []),
    ];
  });
}

export const invariants = [
  {
    name: "nothing is accepted twice",
    violations({ rows, calls }) {
      const seen = calls.filter(({ target, status }) => guards.has(target) && status === 200);
      const written = rows.filter(({ allowed, log }) => allowed && guards.has(log));
      return [
        ...repeated(seen.map(({ proof }) => proof)).map((each) => `as callers saw it, ${each}`),
        ...repeated(written.map(({ proof }) => proof)).map((each) => `by the audit, ${each}`),
      ];
    },
  },
  {
    name: "nobody is let in who was revoked, and nothing that was tampered with",
    violations(recorded) {
      const revoked = recorded.writes.filter(({ kind }) => kind === "revoked");
      const over = new Map(revoked.map(({ subject, acknowledgedAt }) => [subject, acknowledgedAt]));
      const isOver = ({ caller, proof, sentAt, target }: Call) =>
        [caller, proof].some((subject) => {
          const at = over.get(subject);
          return at !== undefined && sentAt > at + 1000 * boundSeconds(recorded, target);
        });
      const reasonOf = reasonsOf(recorded);
      return recorded.calls.flatMap((call) => {
        if (!guards.has(call.target) || call.status === 0) return [];
        if (call.status === 200)
          return call.purpose === "tampered" || isOver(call) ? [told(call, recorded)] : [];
        const reason = reasonOf(call);
        if (call.purpose !== "revoked" || reason === undefined || reason === withheld || !isOver(call))
          return [];
        return revocationCodes.has(reason) || isExplained(call, reason, recorded)
          ? []
          : [`refused by chance (${reason}): ${told(call, recorded)}`];
      });
    },
  },
  {
    name: "nothing that was acknowledged is lost",
    violations(recorded) {
      const written = new Set(
        recorded.rows.flatMap(({ log, proof, allowed }) => (allowed ? `${log} ${proof}` : [])),
      );
      const unwritten = recorded.calls.filter(
        ({ target, status, proof }) =>
          guards.has(target) && status === 200 && !written.has(`${target} ${proof}`),
      );
      return [
        ...unwritten.map((call) => `in no audit: ${told(call, recorded)}`),
        ...recorded.writes
          .filter((write) => !recorded.found.has(write))
          .map(({ kind, subject }) => `the authority lost that ${subject} was ${kind}`),
        ...recorded.logFindings,
      ];
    },
  },
  {
    name: "every refusal has a reason, and only what is stopped gives no answer",
    violations(recorded) {
      const written = new Set(recorded.rows.map(({ log, id }) => `${log} ${id}`));
      const hadNoTime = ({ target, endedAt }: Call) =>
        recorded.kills.some(({ part, at }) => part === target && at - endedAt < unwrittenMs && at >= endedAt);
      return recorded.calls.flatMap((call) => {
        if (call.status === 200) return [];
        if (call.status === 0)
          return mayBeSilent(call, recorded) ? [] : [`no answer: ${told(call, recorded)}`];
        if (call.code === undefined || !reasons.has(call.code))
          return [`no reason (${call.code}): ${told(call, recorded)}`];
        if (call.decision === undefined || written.has(`${call.target} ${call.decision}`)) return [];
        return hadNoTime(call) ? [] : [`refused, and in no audit: ${told(call, recorded)}`];
      });
    },
  },
  {
    name: "what does not work says so, and works again",
    violations(recorded) {
      const { degrades, samples, endedAt, mendedAt, recoverySeconds } = recorded;
      const isLate = endedAt + recoveredAfter(recorded) > mendedAt + 1000 * recoverySeconds;
      const last = new Map(samples.map(({ part, status }) => [part, status]));
      return [
        ...degrades.filter((part) => !saysSo(part, recorded)).map((part) => `${part} said that it is ready`),
        ...[...last.keys()]
          .filter((part) => !staysReady(part, recorded))
          .map((part) => `${part} said that it is not ready, and nothing was wrong with it`),
        ...(isLate ? [`answers were not as before within ${recoverySeconds} s`] : []),
        ...[...last]
          .filter(([, status]) => status !== 200)
          .map(([part]) => `${part} is not ready afterwards`),
      ];
    },
  },
  {
    name: "honest callers are served by whatever the fault does not touch",
    violations(recorded) {
      const reasonOf = reasonsOf(recorded);
      const honest = recorded.calls.filter(({ purpose }) => purpose === "honest");
      const refused = honest
        .filter(({ status }) => status > 0 && status !== 200)
        .map((call) => ({ call, reason: reasonOf(call) ?? "no reason" }))
        .filter(({ call, reason }) => !isExplained(call, reason, recorded));
      const count = (calls: readonly Call[], part: string) =>
        calls.filter(({ target }) => target === part).length;
      const late = refused.filter(({ reason }) => reason === ofWaiting).map(({ call }) => call);
      const isTolerated = (reason: string, { target }: Call) =>
        reason === ofWaiting && count(late, target) <= mostLate * count(honest, target);
      return refused
        .filter(({ call, reason }) => !isTolerated(reason, call))
        .map(({ call, reason }) => `${reason}: ${told(call, recorded)}`);
    },
  },
  {
    name: "memory and sockets return to where they were",
    violations: growth,
  },
] as const satisfies readonly Invariant[];

/** Whether a part that does not work said so: at all, and from the time on at which it has to know. */
function saysSo(part: PartName, recorded: Recorded): boolean {
  const { samples, beganAt, endedAt, mendedAt } = recorded;
  const of = (from: number, to: number) =>
    samples.filter((sample) => sample.part === part && sample.at >= from && sample.at <= to);
  const lasting = of(beganAt + 1000 * noticedAfter(recorded, part), endedAt);
  return (
    of(beganAt, mendedAt + noticedMs).some(({ status }) => status !== 200) &&
    lasting.filter(({ status }) => status === 200).length <= mostSlips
  );
}

/** Whether a part said that it is ready for as long as nothing is wrong with it: all the time, or until a fault touches it. */
function staysReady(part: PartName, recorded: Recorded): boolean {
  const { samples, beganAt, degrades } = recorded;
  const until = degrades.includes(part) || isTouched(recorded, part) ? beganAt : Infinity;
  // A part answers a second after it was asked at the latest.
  const slips = samples.filter(
    (sample) => sample.part === part && sample.status !== 200 && sample.at + 1000 < until,
  );
  return slips.length <= mostSlips;
}

/** Enough to see what is wrong: the first of each invariant. */
export const someOfEach = <Violation extends { readonly invariant: InvariantName }>(
  violations: readonly Violation[],
): readonly Violation[] =>
  invariants.flatMap(({ name }) =>
    violations.filter(({ invariant }) => invariant === name).slice(0, mostTold),
  );

export type InvariantName = (typeof invariants)[number]["name"];

/** Who calls what is stopped may get no answer, until all is as before: `recoverySeconds` say when that has to be. */
const mayBeSilent = ({ target, endedAt }: Call, { disturbs, beganAt }: Recorded): boolean =>
  disturbs.includes(target) && endedAt >= beganAt;
