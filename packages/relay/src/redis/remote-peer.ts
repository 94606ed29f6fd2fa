import type { CarriedData, DoneMessage } from "@authmesh/core";
import type { Outcome } from "../metrics.js";
import type { Peer } from "../peer.js";
import type { Session } from "../session-registry.js";
import {
  formatInstanceMessage,
  type InstanceMessage,
  type InstanceWord,
  type JoinRefusal,
} from "./instance-message.js";

/** How a peer is reached. */
export interface Way {
  /** Of the session. */
  readonly id: string;
  /** Where the peer is. */
  readonly instance: string;
  /** How many messages of this session went there, and came from there. */
  readonly sent: number;
  readonly heard: number;
  /** Sends to an instance. Resolves to whether anybody heard it. */
  publish(instance: string, text: string, isPayload: boolean): Promise<boolean>;
  /** Nobody heard what was said. */
  lost(peer: RemotePeer): void;
  /** Nothing more is said, and nothing that comes is heard. */
  ended(peer: RemotePeer): void;
}

/** The side of a session that is at another instance. */
export class RemotePeer implements Peer {
  session: Session<Peer> | undefined;
  readonly network = undefined;
  /** Those that Redis did not answer for yet. */
  bytesWaiting = 0;
  readonly #way: Way;
  #sent: number;
  #heard: number;
  #ended = false;

  constructor(way: Way) {
    this.#way = way;
    this.#sent = way.sent;
    this.#heard = way.heard;
  }

  get id(): string {
    return this.#way.id;
  }

  get instance(): string {
    return this.#way.instance;
  }

  /** Whether a message is the next one of this side. */
  isNext({ place }: InstanceMessage): boolean {
    return place === this.#heard++;
  }

  /** Its own instance tells it. */
  meet(): void {}

  send(message: CarriedData | DoneMessage): void {
    this.say(message);
  }

  say(word: InstanceWord): void {
    if (this.#ended) return;
    const text = formatInstanceMessage({ session: this.id, place: this.#sent++, ...word });
    this.bytesWaiting += text.length;
    const settled = (heard: boolean): void => {
      this.bytesWaiting -= text.length;
      if (!heard && !this.#ended) this.#way.lost(this);
    };
    this.#way.publish(this.instance, text, word.type === "data").then(settled, () => settled(false));
  }

  /** What ends with `done` was told so. */
  close(reason: Outcome): void {
    if (reason !== "done")
      this.say({ type: "ended", reason: reason === "session_expired" ? reason : "peer_left" });
    this.forget();
  }

  /** The code that was answered is not there to be answered. */
  refuse(reason: JoinRefusal): void {
    this.say({ type: "refused", reason });
    this.forget();
  }

  drop(): void {
    this.close("peer_left");
  }

  /** The other instance knows, or cannot be told. */
  forget(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#way.ended(this);
  }
}
