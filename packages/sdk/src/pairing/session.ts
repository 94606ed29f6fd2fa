import {
  AmeshError,
  type Failure,
  failure,
  type PairingEffect,
  type PairingHandshake,
  type PairingInput,
} from "@authmesh/core";
import { type PairingEvent, shownDevice } from "./events.js";
import type { Happening } from "./inbox.js";
import type { Meeting } from "./meeting.js";
import type { Side } from "./side.js";

/** From the moment the two have found each other, in seconds. */
const sessionSeconds = 150;

type EffectType = PairingEffect["type"];
type Effect<Type> = Extract<PairingEffect, { readonly type: Type }>;

/** What comes of an effect. */
export interface Outcome {
  readonly events?: readonly PairingEvent[];
  /** What the handshake is told next. */
  readonly answer?: PairingInput;
  /** Asked once the events are out; the answer comes in between whatever else happens. */
  readonly question?: (signal: AbortSignal) => Promise<PairingInput>;
}

/** How effects are carried out. What an act or a question throws ends the handshake. */
export type Acts<Types extends EffectType = EffectType> = {
  readonly [Type in Types]: (effect: Effect<Type>) => Outcome | Promise<Outcome>;
};

/**
 * One handshake over one meeting: tells it what happens, carries out what it wants done, one after another, and
 * undoes what was begun when it does not come to its end.
 */
export class Session {
  readonly #side: Side;
  readonly #meeting: Meeting;
  readonly #handshake: PairingHandshake;
  readonly #acts: Partial<Acts>;
  readonly #over = new AbortController();
  #until = performance.now() + sessionSeconds * 1000;
  /** Why the relay closed the socket. */
  #closing: Failure | undefined;
  /** The first thing that an act or a question threw. */
  #thrown: unknown;

  constructor(side: Side, meeting: Meeting, handshake: PairingHandshake, acts: Partial<Acts>) {
    this.#side = side;
    this.#meeting = meeting;
    this.#handshake = handshake;
    this.#acts = { ...this.#actsOfBoth, ...acts };
  }

  /**
   * @param opening the first input; default: what happens first
   * @throws AmeshError why the handshake failed; whatever else an act or a question threw
   */
  async *run(opening?: PairingInput): AsyncGenerator<PairingEvent, void, undefined> {
    let answer = opening;
    try {
      for (;;) {
        const input = answer ?? (await this.#next());
        answer = undefined;
        for (const effect of this.#handshake.handle(input)) {
          if (effect.type === "failed") throw this.#fail(effect);
          const outcome = await this.#carryOut(effect);
          yield* outcome.events ?? [];
          if (effect.type === "done") return;
          if (outcome.question && !this.#cancelled) this.#ask(outcome.question);
          answer ??= outcome.answer;
        }
      }
    } finally {
      this.#over.abort();
      await this.#abandon();
    }
  }

  readonly #actsOfBoth: Acts<"send" | "sign" | "deadline" | "discard" | "done"> = {
    send: ({ frame }) => {
      this.#meeting.connection.send({ type: "data", payload: frame });
      return {};
    },
    sign: async ({ message }) => ({
      answer: { type: "signed", signature: await this.#side.identity.sign(message) },
    }),
    deadline: ({ seconds }) => {
      this.#until = Math.min(this.#until, performance.now() + seconds * 1000);
      return {};
    },
    discard: async () => {
      await this.#side.peer.discard();
      return {};
    },
    done: async ({ peer: { deviceId, friendlyName } }) => {
      this.#meeting.connection.send({ type: "done" });
      await this.#meeting.connection.close();
      const { role, known: updated, replaced } = this.#side.peer;
      const gone = replaced.length > 0 && { replaced: replaced.map(shownDevice) };
      return { events: [{ event: "paired", deviceId, role, friendlyName, updated, ...gone }] };
    },
  };

  get #cancelled(): boolean {
    return this.#meeting.inbox.cancelled;
  }

  async #carryOut(effect: PairingEffect): Promise<Outcome> {
    const act = this.#acts[effect.type] as (effect: PairingEffect) => Outcome | Promise<Outcome>;
    try {
      const outcome = await act(effect);
      // What has become active stays so: the other side counts on it.
      const tooLate = outcome.answer === undefined || effect.type === "activate";
      return this.#cancelled && !tooLate ? { answer: cancel } : outcome;
    } catch (error) {
      this.#thrown ??= error;
      return { answer: abortFor(error) };
    }
  }

  #ask(question: (signal: AbortSignal) => Promise<PairingInput>): void {
    question(this.#over.signal).then(this.#meeting.inbox.put, (thrown: unknown) => {
      this.#meeting.inbox.put({ ...abortFor(thrown), thrown });
    });
  }

  async #next(): Promise<PairingInput> {
    const happening = await this.#meeting.inbox.take(this.#until);
    if ("thrown" in happening) this.#thrown ??= happening.thrown;
    if (happening.type === "closed") this.#closing = happening.failure;
    return inputOf(happening);
  }

  /** For a consumer that left before the end; after the end there is nothing to do. */
  async #abandon(): Promise<void> {
    for (const effect of this.#handshake.handle(cancel)) {
      if (effect.type === "failed") this.#fail(effect);
      else await this.#carryOut(effect);
    }
  }

  /** What to throw. */
  #fail({ failure, revealed }: Effect<"failed">): unknown {
    if (revealed) this.#side.cooldown.record();
    const reason = failure.code === "pairing_peer_left" ? (this.#closing ?? failure) : failure;
    return this.#thrown ?? new AmeshError(reason);
  }
}

type Abort = Extract<PairingInput, { readonly type: "abort" }>;

const cancel: Abort = { type: "abort", failure: failure("pairing_cancelled") };

const abortFor = (error: unknown): Abort =>
  error instanceof AmeshError ? { type: "abort", failure: error.failure } : cancel;

function inputOf(happening: Happening): PairingInput {
  switch (happening.type) {
    case "data":
      return { type: "frame", bytes: happening.payload };
    case "done":
    case "closed":
      return { type: "peer_left" };
    case "open":
    case "listening":
    case "peer_found":
    case "challenge":
    case "worked":
      return { type: "abort", failure: failure("relay_protocol_error") };
    default:
      return happening;
  }
}
