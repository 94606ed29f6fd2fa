import type { Socket } from "node:net";
import type { ClientAddress } from "@authmesh/core";
import {
  type ClientMessage,
  drawChallenge,
  type Failure,
  failure,
  isPairingCode,
  parseClientMessage,
  type Random,
  type RelayErrorCode,
  workIsDone,
} from "@authmesh/core";
import type { Logger } from "pino";
import type { RawData } from "ws";
import type { AnsweringSocket } from "./answering-socket.js";
import { Connection, type Greeting, type Phase } from "./connection.js";
import { ExpiryQueue } from "./expiry-queue.js";
import { workFor } from "./heat.js";
import { lifetimes, type RelayLimits } from "./limits.js";
import type { DropReason, Outcome, RelayMetrics } from "./metrics.js";
import type { CodeKind, RateLimits } from "./rate-limit.js";
import type { RefusalLog } from "./refusal-log.js";
import { type Session, SessionRegistry } from "./session-registry.js";

/** What a socket may say in which phase; anything else is `bad_message`. */
const expected: Readonly<Record<Phase, readonly ClientMessage["type"][]>> = {
  greeting: ["listen", "connect"],
  challenged: ["work"],
  waiting: [],
  paired: ["data", "done"],
  closing: [],
  closed: [],
};

export interface ExchangeParts {
  readonly limits: RelayLimits;
  readonly rates: RateLimits;
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
  readonly #sessions: SessionRegistry<Connection>;
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

  #handle(connection: Connection, message: ClientMessage | Failure): RelayErrorCode | undefined {
    if (!("type" in message) || !expected[connection.phase].includes(message.type)) return "bad_message";
    switch (message.type) {
      case "listen":
      case "connect":
        return this.#greet(connection, message);
      case "work":
        return this.#judge(connection, message.answer);
      case "data":
        return this.#forward(connection, message.payload);
      case "done":
        return this.#finish(connection);
    }
  }

  /** Lets a greeting through, or first asks for work: only of who would be let through now. */
  #greet(connection: Connection, greeting: Greeting): RelayErrorCode | undefined {
    const { rates, metrics, now, random } = this.#parts;
    const { type, otc } = greeting;
    const kind = kindOf(otc);
    this.#endExpiredSessions(now());
    const bits = workFor((share) => rates.isUsed(share, kind, now()) || this.#sessions.isUsed(share));
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
    return type === "listen" ? this.#listen(connection, otc) : this.#connect(connection, otc);
  }

  #listen(connection: Connection, code: string): RelayErrorCode | undefined {
    const { rates, metrics, now } = this.#parts;
    this.#endExpiredSessions(now());
    const overuse = rates.listen(connection.address.key, kindOf(code), now());
    if (overuse !== undefined) return overuse;
    const session = this.#sessions.open(code, connection, now());
    // Otherwise listening would be a way to look for codes that others wait under.
    if (session === "otc_in_use") rates.recordFailure(connection.address.key, kindOf(code), now());
    if (typeof session === "string") return session;
    this.#enter(connection, session, "waiting");
    metrics.add("sessions_opened_total", "");
    const life = isPairingCode(code) ? lifetimes.pairingCode : lifetimes.longCode;
    connection.send({ type: "listening", expiresIn: life / 1000 });
    return undefined;
  }

  #connect(connection: Connection, code: string): RelayErrorCode | undefined {
    const { rates, metrics, logger, now } = this.#parts;
    this.#endExpiredSessions(now());
    const overuse = rates.overuse("connect", connection.address.key, kindOf(code), now());
    if (overuse !== undefined) return overuse;
    const session = this.#sessions.join(code, connection, now());
    if (typeof session === "string") {
      rates.recordFailure(connection.address.key, kindOf(code), now());
      return session;
    }
    this.#enter(connection, session, "paired");
    session.listener.phase = "paired";
    metrics.add("sessions_paired_total", "");
    logger.info(networksOf(session), "session paired");
    for (const side of [session.listener, connection]) side.send({ type: "peer_found" });
    return undefined;
  }

  #forward(connection: Connection, payload: Uint8Array): undefined {
    const { limits, metrics } = this.#parts;
    const peer = peerOf(connection);
    if (peer === undefined) return;
    peer.send({ type: "data", payload });
    metrics.add("messages_forwarded_total", "");
    metrics.add("bytes_forwarded_total", "", payload.length);
    if (peer.bytesWaiting > limits["socket.buffered"]) this.#drop(peer, "slow_reader");
  }

  #finish(connection: Connection): undefined {
    peerOf(connection)?.send({ type: "done" });
    if (connection.session) this.#end(connection.session, "done");
  }

  #enter(connection: Connection, session: Session<Connection>, phase: Phase): void {
    this.#greeting.delete(connection);
    connection.session = session;
    connection.phase = phase;
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
  #drop(connection: Connection, reason: DropReason): void {
    this.#parts.metrics.add("sockets_dropped_total", reason);
    this.#parts.logger.info({ reason, network: connection.address.network }, "socket dropped");
    connection.drop();
    this.#leave(connection);
  }

  #shut(connection: Connection): void {
    if (connection.session) this.#end(connection.session, "relay_closing");
    else connection.close("relay_closing");
  }

  #leave(connection: Connection): void {
    if (connection.session) this.#end(connection.session, "peer_left");
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

  #end(session: Session<Connection>, outcome: Outcome): void {
    this.#sessions.end(session);
    this.#parts.metrics.add("sessions_ended_total", outcome);
    this.#parts.logger.info({ outcome, ...networksOf(session) }, "session ended");
    for (const side of [session.listener, session.connector]) {
      if (side === undefined) continue;
      side.session = undefined;
      side.close(outcome);
    }
  }
}

function peerOf(connection: Connection): Connection | undefined {
  const { session } = connection;
  return session?.listener === connection ? session.connector : session?.listener;
}

const networksOf = ({ listener, connector }: Session<Connection>) => ({
  listener: listener.address.network,
  connector: connector?.address.network,
});

const kindOf = (code: string): CodeKind => (isPairingCode(code) ? "short" : "long");
