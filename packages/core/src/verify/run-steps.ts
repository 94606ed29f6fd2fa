import { AmeshError, type Failure } from "../errors.js";

/** One check. It fills in the context, or says why what is checked is refused. */
export interface CheckStep<Context, Settings, Refusal extends Failure = Failure> {
  readonly name: string;
  readonly run: (
    context: Context,
    settings: Settings,
  ) => Refusal | Failure | undefined | Promise<Refusal | Failure | undefined>;
}

/** Why, and which step said so. */
export interface StepRefusal<Refusal extends Failure> {
  readonly failure: Refusal | Failure;
  readonly index: number;
}

/**
 * Runs checks in their order, up to the first that refuses. An AmeshError that a step throws is a refusal; anything
 * else it throws rejects.
 */
export async function runSteps<Context, Settings, Refusal extends Failure>(
  steps: readonly CheckStep<Context, Settings, Refusal>[],
  context: Context,
  settings: Settings,
): Promise<StepRefusal<Refusal> | undefined> {
  let index = 0;
  try {
    for (const step of steps) {
      const pending = step.run(context, settings);
      // Nearly every step is synchronous; waiting for each of them would cost more than most of them do.
      const failure = pending instanceof Promise ? await pending : pending;
      if (failure !== undefined) return { failure, index };
      index++;
    }
    return undefined;
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return { failure: error.failure, index };
  }
}
