import { AmeshError, type ClientMessage, type Failure, failure } from "@authmesh/core";
import { type Happening, Inbox } from "./inbox.js";
import { RelayConnection } from "./relay-connection.js";
import { notARelay, unreachable } from "./relay-failures.js";

/** How long a relay may take to be reached, and to answer, in seconds. */
const patience = 10;

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
   * Says a code and waits for the answer.
   *
   * @throws AmeshError `relay_unreachable`, `relay_protocol_error`, `pairing_cancelled`, and what the relay answers
   */
  async greet<Answer extends "listening" | "peer_found">(
    greeting: ClientMessage,
    answer: Answer,
  ): Promise<Expected<Answer>> {
    await this.#expect("open", patience, unreachable(this.#relay, `no answer in ${patience} seconds`));
    this.connection.send(greeting);
    return this.#expect(answer, patience, notARelay(this.#relay, `silence for ${patience} seconds`));
  }

  /** @throws AmeshError `otc_expired` when the peer has not come after so many seconds; otherwise as `greet` */
  async peerFound(seconds: number): Promise<void> {
    // The relay says so itself when the time is up; this is for one that does not.
    await this.#expect("peer_found", seconds + patience, failure("otc_expired"));
  }

  async #expect<Type extends Happening["type"]>(
    type: Type,
    seconds: number,
    late: Failure,
  ): Promise<Expected<Type>> {
    const happening = await this.inbox.take(performance.now() + seconds * 1000);
    if (happening.type === type) return happening as Expected<Type>;
    if (happening.type === "timeout") throw new AmeshError(late);
    if ("failure" in happening) throw new AmeshError(happening.failure);
    throw new AmeshError(notARelay(this.#relay, `"${happening.type}" came when "${type}" was due`));
  }
}
