import { setImmediate as turn } from "node:timers/promises";
import {
  AmeshError,
  type ClientMessage,
  doWork,
  type Failure,
  failure,
  type RelayChallenge,
} from "@authmesh/core";
import { type Happening, Inbox } from "./inbox.js";
import { RelayConnection } from "./relay-connection.js";
import { notARelay, unreachable } from "./relay-failures.js";

/** How long a relay may take to be reached, and to answer, and this side for the relay's work, in seconds. */
const patience = 10;

type Greeting = Extract<ClientMessage, { readonly type: "listen" | "connect" }>;
type Expected<Type> = Extract<Happening, { readonly type: Type }>;

/** A relay that was told a code, and what happens there. To be closed in the end, whatever comes. */
export class Meeting {
  readonly inbox: Inbox;
  readonly connection: RelayConnection;
  readonly #relay: string;

  constructor(relay: string, signal: AbortSignal | undefined) {
    this.#relay = relay;
    this.inbox = new Inbox(signal);
    this.connection = new RelayConnection(relay, this.inbox.put);
  }

  /**
   * Says a code and waits for the answer. Where the relay asks for work first, does it (docs/protocol.md, section 6.8),
   * and waits anew.
   *
   * @throws AmeshError `relay_unreachable`, `relay_protocol_error`, `relay_capacity` when the work takes too long,
   * `pairing_cancelled`, and what the relay answers
   */
  async greet<Answer extends "listening" | "peer_found">(
    greeting: Greeting,
    answer: Answer,
  ): Promise<Expected<Answer>> {
    await this.#expect("open", patience, unreachable(this.#relay, `no answer in ${patience} seconds`));
    const silence = notARelay(this.#relay, `silence for ${patience} seconds`);
    this.connection.send(greeting);
    const first = await this.#oneOf([answer, "challenge"], patience, silence);
    if (first.type !== "challenge") return first as Expected<Answer>;
    await this.#work(first, greeting.otc);
    return this.#expect(answer, patience, silence);
  }

  /** @throws AmeshError `otc_expired` when the peer has not come after so many seconds; otherwise as `greet` */
  async peerFound(seconds: number): Promise<void> {
    // The relay says so itself when the time is up; this is for one that does not.
    await this.#expect("peer_found", seconds + patience, failure("otc_expired"));
  }

  /** Whatever else happens meanwhile stops it. */
  async #work(challenge: RelayChallenge, otc: string): Promise<void> {
    const stop = new AbortController();
    const late = failure("relay_capacity", `Work that the relay asked for took over ${patience} seconds.`);
    try {
      void doWork(challenge, otc, { pause: turn, signal: stop.signal }).then((answer) =>
        this.inbox.put({ type: "worked", answer }),
      );
      const { answer } = await this.#expect("worked", patience, late);
      if (answer === undefined) throw new AmeshError(late);
      this.connection.send({ type: "work", answer });
    } finally {
      stop.abort();
    }
  }

  async #expect<Type extends Happening["type"]>(
    type: Type,
    seconds: number,
    late: Failure,
  ): Promise<Expected<Type>> {
    return (await this.#oneOf([type], seconds, late)) as Expected<Type>;
  }

  async #oneOf(due: readonly Happening["type"][], seconds: number, late: Failure): Promise<Happening> {
    const happening = await this.inbox.take(performance.now() + seconds * 1000);
    if (due.includes(happening.type)) return happening;
    if (happening.type === "timeout") throw new AmeshError(late);
    if ("failure" in happening) throw new AmeshError(happening.failure);
    throw new AmeshError(notARelay(this.#relay, `"${happening.type}" came when "${due[0]}" was due`));
  }
}
