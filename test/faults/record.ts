import { isTouched, type Refusals } from "./explained.js";
import type { PartName } from "./part.js";

/** Why a request is sent. */
export type Purpose =
  /** As callers do. */
  | "honest"
  /** Bytes that were accepted before. */
  | "replay"
  /** By a caller that was, or is about to be, revoked. */
  | "revoked"
  /** Not what was signed. */
  | "tampered";

/** A request, as its caller saw it. Times are milliseconds since the epoch. */
export interface Call {
  readonly target: PartName;
  readonly purpose: Purpose;
  /** What may be accepted once: a path that is signed once, or the `jti` of a token. */
  readonly proof: string;
  /** Device id. */
  readonly caller: string;
  readonly sentAt: number;
  readonly endedAt: number;
  /** 0: there was no answer. */
  readonly status: number;
  /** Why it was refused, as the answer says. */
  readonly code?: string | undefined;
  /** The id of the decision, as the answer says. */
  readonly decision?: string | undefined;
}

/** Something that the authority acknowledged. */
export interface Write {
  readonly kind: "minted" | "revoked" | "approved";
  /** A device id, or a `jti`. */
  readonly subject: string;
  readonly acknowledgedAt: number;
}

/** Whether a part said that it can work: the status of its answer, 0 for none. */
export interface Sample {
  readonly part: PartName;
  readonly at: number;
  readonly status: number;
}

/** What a line of an audit log says of a decision. */
export interface AuditRow {
  readonly log: PartName;
  readonly id: string;
  readonly allowed: boolean;
  /** Why it was refused. */
  readonly reason?: string | undefined;
  readonly proof: string;
}

/** What a process holds while nobody calls. */
export interface Holding {
  readonly pid: number;
  readonly residentBytes: number;
  readonly descriptors: number;
}

/** A life of a part that ended without a chance to put anything in order. */
export interface Kill {
  readonly part: PartName;
  readonly at: number;
}

/** All that is known of a trial, once it is over. */
export interface Recorded {
  /** When the fault began, when what mends it began, and when that was done. */
  readonly beganAt: number;
  readonly endedAt: number;
  readonly mendedAt: number;
  readonly disturbs: readonly PartName[];
  readonly degrades: readonly PartName[];
  readonly noticedSeconds?: number | undefined;
  readonly servesSeconds: number;
  readonly refuses: Refusals;
  readonly cutsOff: readonly PartName[];
  /** Seconds from an acknowledged revocation on after which nothing of it is accepted, where the feed is not cut off. */
  readonly pushSeconds: number;
  /** Seconds from `mendedAt` on after which answers are as before. */
  readonly recoverySeconds: number;
  readonly calls: readonly Call[];
  readonly writes: readonly Write[];
  readonly samples: readonly Sample[];
  readonly kills: readonly Kill[];
  readonly rows: readonly AuditRow[];
  /** What is wrong with the chains of the logs. */
  readonly logFindings: readonly string[];
  /** The acknowledged writes that were found afterwards. */
  readonly found: ReadonlySet<Write>;
  readonly before: ReadonlyMap<PartName, Holding>;
  readonly after: ReadonlyMap<PartName, Holding>;
}

/**
 * Milliseconds from the end of the fault until the parts that it touches answer honest callers as before: until the last
 * answer that was none, or a refusal, came.
 */
export function recoveredAfter(
  recorded: Pick<Recorded, "calls" | "endedAt" | "disturbs" | "refuses">,
): number {
  const { calls, endedAt } = recorded;
  const ends = calls
    .filter(
      ({ purpose, status, target }) => purpose === "honest" && status !== 200 && isTouched(recorded, target),
    )
    .map((call) => call.endedAt - endedAt);
  return Math.max(0, ...ends);
}
