import type { Refusals } from "./explained.js";
import type { PartName } from "./part.js";
import type { Stage, Target } from "./stage.js";

/** Something that goes wrong, for a while. */
export interface Fault {
  /** A row of the table: "SIGKILL of the relay". */
  readonly name: string;
  /** Parts that callers may not reach meanwhile. To reach any other is no matter of luck. */
  readonly disturbs: readonly PartName[];
  /** Parts that have to say, while it lasts, that they are not ready. */
  readonly degrades: readonly PartName[];
  /** Seconds from its beginning after which they say so. Default 2, and what the feed's copy may be old of those that only lack the feed. */
  readonly noticedSeconds?: number;
  /** Seconds from its beginning in which those that lack the feed serve by their copy of it. Default: almost as long as that may be old. */
  readonly servesSeconds?: number;
  /** Seconds from its beginning to its end. Default 10. */
  readonly seconds?: number;
  /** Seconds within which all is as before, once it is over. Default 15. */
  readonly recoverySeconds?: number;
  /**
   * What the parts may answer to honest callers meanwhile, and until all is as before, by code. Default: nothing. A part
   * that it disturbs may also say that it begins, or ends.
   */
  readonly refuses?: Refusals;
  /**
   * Those that the feed does not reach at once: a revocation counts there as soon as a copy is too old. Default: none,
   * and everywhere it counts after 1 s.
   */
  readonly cutsOff?: readonly Target[];
  /** Milliseconds between revocations of tokens. Default 500. */
  readonly revokeEveryMs?: number;
  begin(stage: Stage): Promise<void>;
  end(stage: Stage): Promise<void>;
}
