import type { Fault } from "./fault.js";
import type { Ended, StageOptions } from "./stage.js";

/** Faults that need a stage of a kind. */
export interface Environment {
  readonly name: string;
  /** Makes what surrounds the stage. @param ended is given what takes it down, and is to call that in the opposite order */
  open(ended: Ended): Promise<Surroundings>;
}

export interface Surroundings {
  readonly stage: StageOptions;
  readonly faults: readonly Fault[];
}
