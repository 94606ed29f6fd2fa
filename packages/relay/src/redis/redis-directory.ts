import { type Random, type RelayErrorCode, relayErrorCodes, toBase64Url } from "@authmesh/core";
import type { Logger } from "pino";
import type { Directory, DirectoryEvents, Found } from "../directory.js";
import { ExpiryQueue } from "../expiry-queue.js";
import type { RelayLimits } from "../limits.js";
import type { Peer } from "../peer.js";
import { type CodeKind, kindOf } from "../rate-limit.js";
import { lifeOf, maxLatecomers, type Session } from "../session-registry.js";
import { type InstanceMessage, parseInstanceMessage } from "./instance-message.js";
import { openConnections } from "./open-connections.js";
import { actAfter } from "./patience.js";
import { answerMs, RedisLink, type Reply } from "./redis-link.js";
import { RemotePeer } from "./remote-peer.js";
import { beatScript, claimScript, findScript, missScript, releaseScript, type Script } from "./scripts.js";

export interface RedisDirectoryOptions {
  readonly url: string;
  /** All keys begin with it. */
  readonly prefix: string;
  readonly limits: RelayLimits;
  readonly logger: Logger;
  /** Milliseconds, never going back. */
  readonly now: () => number;
  readonly random: Random;
}

/** A code that this instance holds. */
interface Claim {
  readonly id: string;
  readonly session: Session<Peer>;
  /** Until when it may wait. */
  readonly deadline: number;
}

/** Milliseconds for which Redis keeps a code, and after which one that waits longer is claimed again. */
const leaseMs = 60_000;
const renewMs = 20_000;
/** Codes claimed again by one command: few, for Redis keeps what slow commands were given. */
const batch = 50;

/** Instances that share codes, limits and sessions through a Redis (docs/protocol.md, section 6.7). */
export class RedisDirectory implements Directory {
  readonly #options: RedisDirectoryOptions;
  readonly #me: string;
  /** What each script is given. */
  readonly #header: readonly string[];
  #link: RedisLink | undefined;
  #events: DirectoryEvents | undefined;
  readonly #claims = new Map<Session<Peer>, Claim>();
  readonly #claimsById = new Map<string, Claim>();
  readonly #leases = new ExpiryQueue<Claim>(renewMs);
  /** Claims that Redis holds and should not. */
  readonly #owed = new ExpiryQueue<Claim>(leaseMs);
  /** Codes that are asked for, by the session that is to be. */
  readonly #finds = new Map<string, (found: Found) => void>();
  readonly #remotes = new Map<string, RemotePeer>();
  #heat: Readonly<Record<CodeKind, number>> = { short: 0, long: 0 };

  constructor(options: RedisDirectoryOptions) {
    this.#options = options;
    this.#me = this.#drawId();
    const { prefix, limits } = options;
    const shared = ["listens", "failures", "longFailures"] as const;
    const values = shared.flatMap((name) => [limits[`address.${name}`], limits[`relay.${name}`]]);
    this.#header = [prefix, this.#me, ...values.map(String)];
  }

  get state(): "up" | "down" {
    return this.#link?.isUp ? "up" : "down";
  }

  get across(): number {
    return this.#remotes.size;
  }

  isUsed(share: number, kind: CodeKind): boolean {
    return this.state === "up" && this.#heat[kind] >= share;
  }

  claim(session: Session<Peer>, address: string, settle: (refusal?: RelayErrorCode) => void): void {
    const { code } = session;
    const life = lifeOf(code);
    const claim = { id: this.#drawId(), session, deadline: this.#options.now() + life };
    this.#claims.set(session, claim);
    this.#claimsById.set(claim.id, claim);
    if (life > leaseMs) this.#leases.add(claim, this.#options.now());
    const args = [claim.id, String(Math.min(life, leaseMs)), address, kindOf(code)];
    this.#ask(claimScript, [this.#codeKey(code)], args).then(
      ({ word }) => {
        if (word === "claimed") return settle();
        this.#drop(claim);
        settle(refusalOf(word));
      },
      () => settle("relay_store_unavailable"),
    );
  }

  find(code: string, address: string, settle: (found: Found) => void): void {
    const talk = this.#drawId();
    const answer = (found: Found): void => {
      stop();
      if (this.#finds.delete(talk)) settle(found);
    };
    const stop = actAfter(answerMs, () => answer("relay_store_unavailable"));
    this.#finds.set(talk, answer);
    const args = [address, kindOf(code), String(maxLatecomers), talk];
    this.#ask(findScript, [this.#codeKey(code)], args).then(
      ({ word }) => {
        if (word === "here") answer("here");
        // The instance where it waits will say `accepted`.
        else if (word !== "elsewhere") answer(refusalOf(word));
      },
      () => answer("relay_store_unavailable"),
    );
  }

  miss(address: string, kind: CodeKind): void {
    this.#ask(missScript, [this.#myKey], [address, kind]).catch(() => {});
  }

  release(session: Session<Peer>): void {
    const claim = this.#claims.get(session);
    if (claim === undefined) return;
    this.#drop(claim);
    this.#giveBack(claim);
  }

  async open(events: DirectoryEvents): Promise<void> {
    this.#events = events;
    const { url, prefix, logger } = this.#options;
    const connections = await openConnections(url);
    await new Promise<void>((resolve) => {
      this.#link = new RedisLink(connections, `${prefix}to:${this.#me}`, {
        probe: () => this.#beat(),
        up: () => {
          logger.info("the shared store is there");
          this.#reclaim([...this.#claims.values()]);
          for (const claim of this.#owed.takeExpired(Infinity)) this.#giveBack(claim);
          resolve();
        },
        down: (reason) => {
          logger.warn({ reason }, "the shared store is gone");
          this.#cutOff();
          resolve();
        },
        forgot: () => this.#reclaim([...this.#claims.values()]),
        heard: (text) => this.#hear(text),
        heat: (short, long) => {
          this.#heat = { short: short / 8, long: long / 8 };
        },
      });
    });
  }

  sweep(): void {
    void this.#link?.probe();
    const now = this.#options.now();
    this.#owed.takeExpired(now);
    const due = this.#leases.takeExpired(now);
    for (const claim of due) this.#leases.add(claim, now);
    this.#reclaim(due);
  }

  async close(): Promise<void> {
    await this.#link?.close(this.#myKey);
  }

  get #myKey(): string {
    return `${this.#options.prefix}instance:${this.#me}`;
  }

  #codeKey(code: string): string {
    return `${this.#options.prefix}code:${code}`;
  }

  #drawId(): string {
    return toBase64Url(this.#options.random(16));
  }

  async #ask(script: Script, keys: readonly string[], args: readonly string[]): Promise<Reply> {
    if (this.#link === undefined) throw new TypeError("The directory is not open.");
    return this.#link.ask(script, keys, [...this.#header, ...args]);
  }

  #drop(claim: Claim): void {
    this.#claims.delete(claim.session);
    this.#claimsById.delete(claim.id);
    this.#leases.delete(claim);
  }

  #giveBack(claim: Claim): void {
    this.#ask(releaseScript, [this.#codeKey(claim.session.code)], [claim.id]).catch(() => {
      this.#owed.add(claim, this.#options.now());
    });
  }

  /** Says that this instance lives, and looks whether those live that it talks to. */
  async #beat(): Promise<void> {
    const instances = [...new Set([...this.#remotes.values()].map(({ instance }) => instance))];
    const reply = await this.#link?.run(beatScript, [this.#myKey], [...this.#header, ...instances]);
    const gone = placesIn(reply?.second).map((place) => instances[place]);
    for (const remote of this.#remotes.values()) if (gone.includes(remote.instance)) this.#lose(remote);
  }

  /** Has Redis hold codes that wait, whatever it knew of them. */
  #reclaim(claims: readonly Claim[]): void {
    const now = this.#options.now();
    const waiting = claims.filter(
      ({ session, deadline }) => session.connector === undefined && deadline > now,
    );
    for (let start = 0; start < waiting.length; start += batch) {
      const some = waiting.slice(start, start + batch);
      const keys = some.map(({ session }) => this.#codeKey(session.code));
      const args = some.flatMap(({ id, deadline }) => [
        id,
        String(Math.ceil(Math.min(deadline - now, leaseMs))),
      ]);
      this.#ask(beatScript, [this.#myKey, ...keys], args).then(
        ({ first }) => {
          for (const place of placesIn(first)) this.#supersede(some[place]);
        },
        () => {}, // Redis is gone, and is told of them when it is back.
      );
    }
  }

  #supersede(claim: Claim | undefined): void {
    if (claim === undefined || !this.#claims.has(claim.session)) return;
    this.#drop(claim);
    if (claim.session.connector === undefined) this.#events?.superseded(claim.session);
  }

  #hear(text: string): void {
    const message = parseInstanceMessage(text);
    if (message === undefined) return;
    try {
      if (message.type === "joined") this.#join(message);
      else if (message.type === "accepted") this.#accept(message);
      else this.#hearPeer(message);
    } catch (error) {
      // Thrown into the event of a library it would end the process, and with it everybody's session.
      const reason = error instanceof Error ? error.name : typeof error;
      this.#options.logger.error({ reason, type: message.type }, "a message of another instance failed");
      const remote = this.#remotes.get(message.type === "joined" ? message.talk : message.session);
      if (remote !== undefined) this.#lose(remote);
    }
  }

  #hearPeer(message: Exclude<InstanceMessage, { type: "joined" | "accepted" }>): void {
    // The code was answered at its own instance, while Redis did not know.
    if (message.type === "ended") this.#finds.get(message.session)?.("peer_already_connected");
    const remote = this.#remotes.get(message.session);
    if (remote === undefined) return;
    if (!remote.isNext(message)) {
      this.#lose(remote);
    } else if (message.type === "ended") {
      remote.forget();
      this.#events?.left(remote, message.reason);
    } else {
      this.#events?.said(remote, message);
    }
  }

  /** Somebody at another instance answered a code. */
  #join({ session, instance, talk }: Extract<InstanceMessage, { type: "joined" }>): void {
    const claim = this.#claimsById.get(session);
    if (this.#remotes.has(talk)) return;
    const remote = this.#remote(talk, instance, { sent: 0, heard: 1 });
    if (claim !== undefined && this.#events?.joined(claim.session, remote)) {
      remote.say({ type: "accepted", instance: this.#me });
    } else {
      remote.drop();
    }
  }

  /** A code that was asked for has been answered. */
  #accept({ session, place, instance }: Extract<InstanceMessage, { type: "accepted" }>): void {
    const answer = this.#finds.get(session);
    if (place !== 0 || this.#remotes.has(session)) return;
    const remote = this.#remote(session, instance, { sent: 1, heard: 1 });
    if (answer === undefined) remote.drop();
    else answer(remote);
  }

  #remote(
    id: string,
    instance: string,
    places: { readonly sent: number; readonly heard: number },
  ): RemotePeer {
    const { prefix } = this.#options;
    const remote = new RemotePeer({
      id,
      instance,
      ...places,
      publish: async (to, text) => (await this.#link?.publish(`${prefix}to:${to}`, text)) ?? false,
      lost: () => this.#lose(remote),
      ended: () => this.#remotes.delete(id),
    });
    this.#remotes.set(id, remote);
    return remote;
  }

  #lose(remote: RemotePeer): void {
    remote.close("peer_left");
    this.#events?.left(remote, "peer_left");
  }

  /** No word comes from the other instances any more, nor goes there. */
  #cutOff(): void {
    for (const remote of this.#remotes.values()) this.#lose(remote);
    for (const answer of this.#finds.values()) answer("relay_store_unavailable");
  }
}

const refusalOf = (word: string): RelayErrorCode =>
  relayErrorCodes.find((code) => code === word) ?? "relay_store_unavailable";

/** Redis counts from 1. */
const placesIn = (list: unknown): number[] =>
  Array.isArray(list) ? list.map((place) => Number(place) - 1) : [];
