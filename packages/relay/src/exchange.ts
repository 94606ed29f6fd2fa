import type { Socket } from "node:net";
import type { ClientAddress } from "@authmesh/core";
import {
  base64Length,
  type CarriedData,
  type ClientMessage,
  drawChallenge,
  type Failure,
  failure,
  parseClientMessage,
  type Random,
  type RelayErrorCode,
  workIsDone,
} from "@authmesh/core";
import type { Logger } from "pino";
import type { RawData } from "ws";
import type { AnsweringSocket } from "./answering-socket.js";
import { Connection, type Greeting, type Phase } from "./connection.js";
import type { Directory, Found } from "./directory.js";
import { ExpiryQueue } from "./expiry-queue.js";
import { workFor } from "./heat.js";
import { lifetimes, type RelayLimits } from "./limits.js";
import type { DropReason, Outcome, RelayMetrics } from "./metrics.js";
import type { Peer } from "./peer.js";
import { kindOf, type RateLimits } from "./rate-limit.js";
import type { RefusalLog } from "./refusal-log.js";
import { lifeOf, type Session, SessionRegistry } from "./session-registry.js";

/** What a socket may say in which phase; anything else is `bad_message`. */
const expected: Readonly<Record<Phase, readonly ClientMessage["type"][]>> = {
  greeting: ["listen", "connect"],
  challenged: ["work"],
  asking: [],
  waiting: [],
  paired: ["data", "done"],
  closing: [],
  closed: [],
};

export interface ExchangeParts {
  readonly limits: RelayLimits;
  readonly rates: RateLimits;
  readonly directory: Directory;
  readonly metrics: RelayMetrics;
  readonly refusals: RefusalLog;
  readonly logger: Logger;
  /** Milliseconds, never going back. */
  readonly now: () => number;
  readonly random: Random;
}

/** Brings two sockets together that name the same code, and hands on what they say (docs/protocol.md, section 6). */
export class Exchange {
  readonly #parts: ExchangeParts;
  readonly #sessions: SessionRegistry<Peer>;
  readonly #connections = new Set<Connection>();
  readonly #greeting = new ExpiryQueue<Connection>(lifetimes.greeting);
  readonly #heartbeats = new ExpiryQueue<Connection>(lifetimes.heartbeat);
  #drain: { readonly deadline: number; readonly finish: () => void } | undefined;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
    this.#sessions = new SessionRegistry(parts.limits["relay.sessions"]);
  }

  get sessions(): { readonly waiting: number; readonly paired: number } {
    return this.#sessions;
  }

  /** Begins to share codes with other instances. @throws AmeshError `package_missing` */
  open(): Promise<void> {
    return this.#parts.directory.open({
      joined: (session, connector) => this.#join(session, connector),
      said: (peer, message) => (message.type === "data" ? this.#forward(peer, message) : this.#finish(peer)),
      left: (peer, reason) => this.#leave(peer, reason),
      superseded: (session) => this.#supersede(session),
    });
  }

  /** Takes a fresh socket in. */
  accept(socket: AnsweringSocket, stream: Socket, address: ClientAddress): void {
    const connection = new Connection(socket, stream, address);
    const now = this.#parts.now();
    this.#connections.add(connection);
    this.#greeting.add(connection, now);
    this.#heartbeats.add(connection, now);
    this.#parts.metrics.add("sockets_opened_total", "");
    socket.on("message", (data, isBinary) => this.#receive(connection, data, isBinary));
    socket.on("ping", () => this.#hear(connection));
    socket.on("pong", () => this.#hear(connection));
    socket.on("violation", (error: RelayErrorCode) => this.#refuse(connection, error));
    socket.on("close", () => this.#forget(connection));
    socket.on("error", () => {
      // `close` follows, and knows as much.
    });
  }

  /** Ends what has outlived its time and pings the rest. */
  sweep(): void {
    const now = this.#parts.now();
    this.#endExpiredSessions(now);
    for (const connection of this.#greeting.takeExpired(now)) connection.close("greeting_timeout");
    for (const connection of this.#heartbeats.takeExpired(now)) {
      if (connection.awaitsPong) {
        this.#drop(connection, "silent");
      } else {
        connection.ping();
        this.#heartbeats.add(connection, now);
      }
    }
    if (this.#drain && this.#drain.deadline <= now) {
      for (const connection of this.#connections) this.#shut(connection);
    }
  }

  /** Sends everybody away: pairs may first finish, for `lifetimes.drain`. Settles when the last socket is gone. */
  drain(): Promise<void> {
    const deadline = this.#parts.now() + lifetimes.drain;
    return new Promise((finish) => {
      this.#drain = { deadline, finish };
      for (const connection of this.#connections) if (connection.phase !== "paired") this.#shut(connection);
      if (this.#connections.size === 0) finish();
    });
  }

  /** Something came. Whatever it is, it counts against what a socket may send, while it closes too. */
  #hear(connection: Connection): void {
    connection.awaitsPong = false;
    if (connection.isOpen && connection.isCut) this.#drop(connection, "flooding");
    if (connection.bytesReceived <= this.#parts.limits["socket.bytes"]) return;
    if (connection.isOpen) this.#refuse(connection, "frame_too_large");
    else if (connection.phase === "closing") this.#drop(connection, "flooding");
  }

  #receive(connection: Connection, data: RawData, isBinary: boolean): void {
    this.#hear(connection);
    if (!connection.isOpen) return;
    const message = isBinary ? failure("bad_message") : parseClientMessage(data.toString());
    const refusal = this.#handle(connection, message);
    if (refusal !== undefined) this.#refuse(connection, refusal);
  }

  #handle(connection: Connection, message: ClientMessage<CarriedData> | Failure): RelayErrorCode | undefined {
    if (!("type" in message) || !expected[connection.phase].includes(message.type)) return "bad_message";
    switch (message.type) {
      case "listen":
      case "connect":
        return this.#greet(connection, message);
      case "work":
        return this.#judge(connection, message.answer);
      case "data":
        return this.#forward(connection, message);
      case "done":
        return this.#finish(connection);
    }
  }

  /** Lets a greeting through, or first asks for work: only of who would be let through now. */
  #greet(connection: Connection, greeting: Greeting): RelayErrorCode | undefined {
    const { rates, directory, metrics, now, random } = this.#parts;
    const { type, otc } = greeting;
    const kind = kindOf(otc);
    this.#endExpiredSessions(now());
    const bits = workFor(
      (share) =>
        rates.isUsed(share, kind, now()) || this.#sessions.isUsed(share) || directory.isUsed(share, kind),
    );
    if (bits === 0) return this.#begin(connection, greeting);
    const overuse = rates.overuse(type, connection.address.key, kind, now());
    if (overuse !== undefined) return overuse;
    if (type === "listen" && this.#sessions.isUsed(1)) return "relay_capacity";
    const challenge = drawChallenge(bits, random);
    connection.asked = { greeting, challenge };
    connection.phase = "challenged";
    this.#greeting.add(connection, now());
    metrics.add("challenges_total", "issued");
    connection.send(challenge);
    return undefined;
  }

  /** One answer a socket, one hash an answer: guessing at answers is dearer than finding them. */
  #judge(connection: Connection, answer: number): RelayErrorCode | undefined {
    const { asked } = connection;
    connection.asked = undefined;
    const done = asked !== undefined && workIsDone(asked.challenge, asked.greeting.otc, answer);
    this.#parts.metrics.add("challenges_total", done ? "solved" : "failed");
    return done ? this.#begin(connection, asked.greeting) : "bad_message";
  }

  #begin(connection: Connection, { type, otc }: Greeting): RelayErrorCode | undefined {
    this.#endExpiredSessions(this.#parts.now());
    this.#greeting.delete(connection);
    return type === "listen" ? this.#listen(connection, otc) : this.#connect(connection, otc);
  }

  #listen(connection: Connection, code: string): RelayErrorCode | undefined {
    const { rates, directory, now } = this.#parts;
    const { key } = connection.address;
    const overuse = rates.listen(key, kindOf(code), now());
    if (overuse !== undefined) return overuse;
    const session = this.#sessions.open(code, connection, now());
    // Otherwise listening would be a way to look for codes that others wait under.
    if (session === "otc_in_use") this.#miss(connection, code);
    if (typeof session === "string") return session;
    connection.session = session;
    connection.phase = "asking";
    directory.claim(session, key, (refusal) => this.#claimed(connection, session, refusal));
    return undefined;
  }

  /** Unless it left, or was found before the answer came. */
  #claimed(connection: Connection, session: Session<Peer>, refusal: RelayErrorCode | undefined): void {
    if (connection.phase !== "asking") return;
    if (refusal === undefined) {
      this.#await(connection, session.code);
      return;
    }
    const { rates, now } = this.#parts;
    if (refusal === "otc_in_use") rates.recordFailure(connection.address.key, kindOf(session.code), now());
    this.#withdraw(connection, session);
    this.#refuse(connection, refusal);
  }

  #await(connection: Connection, code: string): void {
    connection.phase = "waiting";
    this.#parts.metrics.add("sessions_opened_total", "");
    connection.send({ type: "listening", expiresIn: lifeOf(code) / 1000 });
  }

  #connect(connection: Connection, code: string): RelayErrorCode | undefined {
    const { rates, directory, now } = this.#parts;
    const { key } = connection.address;
    const overuse = rates.overuse("connect", key, kindOf(code), now());
    if (overuse !== undefined) return overuse;
    connection.phase = "asking";
    directory.find(code, key, (found) => this.#found(connection, code, found));
    return undefined;
  }

  #found(connection: Connection, code: string, found: Found): void {
    const session = this.#introduce(connection, code, found);
    if (typeof session === "string") {
      this.#refuse(connection, session);
      return;
    }
    connection.session = session;
    if (connection.isOpen) this.#pair(session);
    else this.#end(session, "peer_left");
  }

  #introduce(connection: Connection, code: string, found: Found): Session<Peer> | RelayErrorCode {
    const { rates, now } = this.#parts;
    this.#endExpiredSessions(now());
    if (typeof found === "object") {
      const adopted = this.#sessions.adopt(code, found, connection, now());
      if (typeof adopted === "string") found.drop();
      else found.session = adopted;
      return adopted;
    }
    if (found === "rate_limited" || found === "relay_capacity") return found;
    if (found === "relay_store_unavailable") return this.#lookUp(connection, code);
    if (found === "here") {
      const joined = this.#sessions.join(code, connection, now());
      if (typeof joined === "string") this.#miss(connection, code);
      return joined;
    }
    rates.recordFailure(connection.address.key, kindOf(code), now());
    return found === "otc_not_found" && this.#sessions.hasExpired(code) ? "otc_expired" : found;
  }

  /** While nobody else can be asked. Many may have waited for an answer at a time: each is judged by those before it. */
  #lookUp(connection: Connection, code: string): Session<Peer> | RelayErrorCode {
    const { rates, now } = this.#parts;
    const { key } = connection.address;
    const overuse = rates.overuse("lookUp", key, kindOf(code), now());
    if (overuse !== undefined) return overuse;
    const joined = this.#sessions.join(code, connection, now());
    if (typeof joined !== "string") return joined;
    rates.recordMiss(key, kindOf(code), now());
    return "relay_store_unavailable";
  }

  #pair(session: Session<Peer>): void {
    const { listener, connector } = session;
    this.#parts.metrics.add("sessions_paired_total", "");
    this.#parts.logger.info(networksOf(session), "session paired");
    // Who was found does wait, though the answer that says so is not here yet.
    if (listener instanceof Connection && listener.phase === "asking") this.#await(listener, session.code);
    listener.meet();
    connector?.meet();
  }

  /** Takes one at another instance in as the connector of a session. */
  #join(session: Session<Peer>, connector: Peer): boolean {
    const { now } = this.#parts;
    this.#endExpiredSessions(now());
    if (session.listener.session !== session || session.connector !== undefined) return false;
    this.#sessions.join(session.code, connector, now());
    connector.session = session;
    this.#pair(session);
    return true;
  }

  #supersede({ listener }: Session<Peer>): void {
    if (listener instanceof Connection) this.#refuse(listener, "otc_in_use");
  }

  #forward(from: Peer, message: CarriedData): undefined {
    const { limits, metrics } = this.#parts;
    const peer = peerOf(from);
    if (peer === undefined) return;
    peer.send(message);
    metrics.add("messages_forwarded_total", "");
    metrics.add("bytes_forwarded_total", "", base64Length(message.payload));
    if (peer.bytesWaiting > limits["socket.buffered"]) this.#drop(peer, "slow_reader");
  }

  #finish(from: Peer): undefined {
    peerOf(from)?.send({ type: "done" });
    if (from.session) this.#end(from.session, "done");
  }

  /** A guess that missed. */
  #miss({ address: { key } }: Connection, code: string): void {
    const { rates, directory, now } = this.#parts;
    rates.recordFailure(key, kindOf(code), now());
    directory.miss(key, kindOf(code));
  }

  /** Undoes what never came to be. */
  #withdraw(connection: Connection, session: Session<Peer>): void {
    connection.session = undefined;
    this.#sessions.end(session);
    this.#parts.directory.release(session);
  }

  #refuse(connection: Connection, code: RelayErrorCode): void {
    if (!connection.isOpen) return;
    const { metrics, refusals, now } = this.#parts;
    metrics.add("refusals_total", code);
    refusals.note(code, connection.address.network, now());
    connection.close(code);
    this.#leave(connection);
  }

  /** For a peer that words do not reach: it does not answer, does not read or does not stop. */
  #drop(peer: Peer, reason: DropReason): void {
    this.#parts.metrics.add("sockets_dropped_total", reason);
    this.#parts.logger.info({ reason, network: peer.network }, "socket dropped");
    peer.drop();
    this.#leave(peer);
  }

  #shut(connection: Connection): void {
    if (connection.session) this.#end(connection.session, "relay_closing");
    else connection.close("relay_closing");
  }

  #leave(peer: Peer, outcome: Outcome = "peer_left"): void {
    if (peer.session) this.#end(peer.session, outcome);
  }

  #forget(connection: Connection): void {
    connection.phase = "closed";
    this.#leave(connection);
    this.#connections.delete(connection);
    this.#greeting.delete(connection);
    this.#heartbeats.delete(connection);
    if (this.#connections.size === 0) this.#drain?.finish();
  }

  #endExpiredSessions(now: number): void {
    for (const session of this.#sessions.takeExpired(now)) {
      this.#end(session, session.connector === undefined ? "otc_expired" : "session_expired");
    }
  }

  #end(session: Session<Peer>, outcome: Outcome): void {
    this.#sessions.end(session);
    this.#parts.directory.release(session);
    this.#parts.metrics.add("sessions_ended_total", outcome);
    this.#parts.logger.info({ outcome, ...networksOf(session) }, "session ended");
    for (const side of [session.listener, session.connector]) {
      if (side === undefined) continue;
      side.session = undefined;
      side.close(outcome);
    }
  }
}

function peerOf(peer: Peer): Peer | undefined {
  const { session } = peer;
  return session?.listener === peer ? session.connector : session?.listener;
}

const networksOf = ({ listener, connector }: Session<Peer>) => ({
  listener: listener.network,
  connector: connector?.network,
});
