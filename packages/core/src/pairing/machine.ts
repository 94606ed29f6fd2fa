import { AmeshError, type Failure } from "../errors.js";
import { frameInvalid } from "./frames.js";
import type { Known, Setup } from "./session.js";
import type { PairingEffect, PairingInput } from "./vocabulary.js";

/** The outcome of a transition: the next state, what is known in it, and what to do. */
export type Step<States> = {
  readonly [Next in keyof States]: Outcome<Next, States[Next]>;
}[keyof States];

interface Outcome<Next, Knowledge> {
  readonly next: Next;
  readonly known: Knowledge;
  readonly effects: readonly PairingEffect[];
}

/** A step to the state `next`. */
export function to<const Next extends string, Knowledge extends Known>(
  next: Next,
  known: Knowledge,
  ...effects: readonly PairingEffect[]
): Outcome<Next, Knowledge> {
  return { next, known, effects };
}

/** What a state answers to, and by which step. */
export type Row<States, State extends keyof States> = {
  readonly [Type in PairingInput["type"]]?: (
    known: States[State],
    input: Extract<PairingInput, { type: Type }>,
    setup: Setup,
  ) => Step<States> | Outcome<"done", Known>;
} & {
  /** What is still to be done when the handshake fails in this state. */
  readonly farewell?: (known: States[State]) => readonly PairingEffect[];
};

/** Some rows of a table. */
export type Rows<States, Named extends keyof States> = { readonly [State in Named]: Row<States, State> };

/** One side of the handshake as data. What is not in the table is refused. */
export interface Definition<States> {
  readonly initial: { readonly state: keyof States; readonly known: States[keyof States] };
  /** The states in which nothing was shown yet that a guess at the code could be tried on. */
  readonly hidden: readonly (keyof States)[];
  readonly transitions: Rows<States, keyof States>;
}

/** Runs a definition: synchronous, without I/O, dead after its first failure. */
export class Machine<States extends Readonly<Record<keyof States, Known>>> {
  readonly #definition: Definition<States>;
  readonly #setup: Setup;
  #state: keyof States | "done" | "failed";
  #known: Known;

  constructor(definition: Definition<States>, setup: Setup) {
    this.#definition = definition;
    this.#setup = setup;
    this.#state = definition.initial.state;
    this.#known = definition.initial.known;
  }

  get state(): string {
    return String(this.#state);
  }

  handle(input: PairingInput): readonly PairingEffect[] {
    if (this.#state === "done" || this.#state === "failed") return [];
    const row = this.#definition.transitions[this.#state] as ErasedRow;
    try {
      const transition = row[input.type] ?? (always as ErasedRow)[input.type];
      if (transition === undefined)
        throw new TypeError(`In the state ${this.state} "${input.type}" is not due.`);
      const { next, known, effects } = transition(this.#known, input, this.#setup);
      this.#state = next as keyof States | "done";
      this.#known = known;
      if (next === "done") this.#wipe();
      return effects;
    } catch (error) {
      if (error instanceof AmeshError) return this.#fail(error.failure, row);
      throw error;
    }
  }

  #fail(reason: Failure, { farewell }: ErasedRow): readonly PairingEffect[] {
    const revealed = !this.#definition.hidden.includes(this.#state as keyof States);
    const last = farewell?.(this.#known) ?? [];
    this.#state = "failed";
    this.#wipe();
    return [...last, { type: "failed", failure: reason, revealed }];
  }

  #wipe(): void {
    for (const secret of this.#known.secrets) secret.fill(0);
  }
}

type ErasedRow = {
  readonly [Type in PairingInput["type"]]?: (
    known: Known,
    input: PairingInput,
    setup: Setup,
  ) => Outcome<PropertyKey, Known>;
} & { readonly farewell?: (known: Known) => readonly PairingEffect[] };

/** What ends a handshake in every state whose row does not say otherwise. */
const always: Row<Record<string, Known>, string> = {
  frame: () => {
    throw frameInvalid("A message came when none was due.");
  },
  timeout: () => {
    throw new AmeshError("pairing_timeout");
  },
  peer_left: () => {
    throw new AmeshError("pairing_peer_left");
  },
  abort: (_known, { failure }) => {
    throw new AmeshError(failure);
  },
};
