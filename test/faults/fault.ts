import type { PartName } from "./part.js";
import type { Stage } from "./stage.js";

/** Something that goes wrong, for a while. */
export interface Fault {
  /** A row of the table: "SIGKILL of the relay". */
  readonly name: string;
  /** Parts that callers may not reach meanwhile. To reach any other is no matter of luck. */
  readonly disturbs: readonly PartName[];
  /** Parts that have to say, while it lasts, that they are not ready. */
  readonly degrades: readonly PartName[];
  /** Seconds from its beginning to its end. Default 10. */
  readonly seconds?: number;
  /** Seconds within which all is as before, once it is over. Default 15. */
  readonly recoverySeconds?: number;
  /**
   * Seconds from an acknowledged revocation after which its device is refused, while this fault lasts and until all is
   * as before. Default 1: changes are pushed. Where the feed is cut off, what a copy may be old.
   */
  readonly revocationSeconds?: number;
  begin(stage: Stage): Promise<void>;
  end(stage: Stage): Promise<void>;
}
