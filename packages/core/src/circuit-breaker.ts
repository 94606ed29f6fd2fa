/** Whether calls to something that may be down are let through. Times are milliseconds that only grow. */
export type Circuit =
  | { readonly state: "closed"; readonly failures: number }
  | { readonly state: "open"; readonly until: number }
  /** One call is under way, to find out whether the others may follow. */
  | { readonly state: "half-open" };

export type CircuitState = Circuit["state"];
export type CircuitInput = "asked" | "succeeded" | "failed";

export interface CircuitLimits {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** Milliseconds for which it stays open before one call may try. */
  readonly pauseMs: number;
}

type Transition<State extends CircuitState> = (
  circuit: Extract<Circuit, { state: State }>,
  now: number,
  limits: CircuitLimits,
) => Circuit | undefined;

export const closed: Circuit = { state: "closed", failures: 0 };

const opened = (now: number, { pauseMs }: CircuitLimits): Circuit => ({
  state: "open",
  until: now + pauseMs,
});

const transitions: {
  readonly [State in CircuitState]: { readonly [Input in CircuitInput]?: Transition<State> };
} = {
  closed: {
    asked: (circuit) => circuit,
    succeeded: (circuit) => (circuit.failures === 0 ? circuit : closed),
    failed: ({ failures }, now, limits) =>
      failures + 1 < limits.failures ? { state: "closed", failures: failures + 1 } : opened(now, limits),
  },
  open: {
    asked: ({ until }, now) => (now < until ? undefined : { state: "half-open" }),
  },
  "half-open": {
    succeeded: () => closed,
    failed: (_, now, limits) => opened(now, limits),
  },
};

/** The circuit after an input; undefined where the table has no such transition: a call is refused, a result ignored. */
export function transition(
  circuit: Circuit,
  input: CircuitInput,
  now: number,
  limits: CircuitLimits,
): Circuit | undefined {
  const row = transitions[circuit.state] as { readonly [Input in CircuitInput]?: Transition<CircuitState> };
  return row[input]?.(circuit, now, limits);
}

/** A call that was let through, to be reported once. */
export interface Admission {
  readonly term: number;
}

/** Holds a circuit, and ignores the results of calls that began under another state than the present one. */
export class CircuitBreaker {
  readonly #limits: CircuitLimits;
  readonly #changed: (from: CircuitState, to: CircuitState) => void;
  #circuit = closed;
  #term = 0;

  constructor(limits: CircuitLimits, changed: (from: CircuitState, to: CircuitState) => void = () => {}) {
    this.#limits = limits;
    this.#changed = changed;
  }

  get state(): CircuitState {
    return this.#circuit.state;
  }

  /** Undefined: the call is refused. */
  admit(now: number): Admission | undefined {
    return this.#move("asked", now) ? { term: this.#term } : undefined;
  }

  report({ term }: Admission, outcome: "succeeded" | "failed", now: number): void {
    if (term === this.#term) this.#move(outcome, now);
  }

  #move(input: CircuitInput, now: number): boolean {
    const next = transition(this.#circuit, input, now, this.#limits);
    if (next === undefined) return false;
    const from = this.#circuit.state;
    this.#circuit = next;
    if (next.state !== from) {
      this.#term++;
      this.#changed(from, next.state);
    }
    return true;
  }
}
