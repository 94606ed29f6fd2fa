import { type Random, type RelayErrorCode, toBase64Url } from "@authmesh/core";
import type { Logger } from "pino";
import type { Directory, DirectoryEvents, Found } from "../directory.js";
import type { RelayLimits } from "../limits.js";
import type { Peer } from "../peer.js";
import { type CodeKind, kindOf } from "../rate-limit.js";
import { maxLatecomers, type Session } from "../session-registry.js";
import { CodeClaims } from "./code-claims.js";
import { type InstanceMessage, parseInstanceMessage } from "./instance-message.js";
import { openConnections } from "./open-connections.js";
import { actAfter } from "./patience.js";
import { answerMs, RedisLink } from "./redis-link.js";
import { RemotePeer } from "./remote-peer.js";
import { placesIn, type Reply, refusalOf } from "./reply.js";
import { beatScript, findScript, missScript, type Script } from "./scripts.js";

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

/** Instances that share codes, limits and sessions through a Redis (docs/protocol.md, section 6.7). */
export class RedisDirectory implements Directory {
  readonly #options: RedisDirectoryOptions;
  /** Another one whenever the way to Redis was lost: who talked with the one before finds nobody there. */
  #me: string;
  readonly #limits: readonly string[];
  #link: RedisLink | undefined;
  #events: DirectoryEvents | undefined;
  readonly #claims: CodeClaims;
  /** Codes that are asked for, by the session that is to be. */
  readonly #finds = new Map<string, (found: Found) => void>();
  readonly #remotes = new Map<string, RemotePeer>();
  #heat: Readonly<Record<CodeKind, number>> = { short: 0, long: 0 };

  constructor(options: RedisDirectoryOptions) {
    this.#options = options;
    this.#me = this.#drawId();
    const { limits } = options;
    const shared = ["listens", "failures", "longFailures"] as const;
    const values = shared.flatMap((name) => [limits[`address.${name}`], limits[`relay.${name}`]]);
    this.#limits = values.map(String);
    this.#claims = new CodeClaims({
      ask: (...command) => this.#ask(...command),
      keyOf: (code) => this.#codeKey(code),
      myKey: () => this.#myKey,
      superseded: (session) => this.#events?.superseded(session),
      drawId: () => this.#drawId(),
      now: options.now,
    });
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
    this.#claims.claim(session, address, settle);
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
      (reply) => {
        if (reply.word === "here") answer("here");
        // The instance where it waits will say `accepted`.
        else if (reply.word !== "elsewhere") answer(refusalOf(reply));
      },
      () => answer("relay_store_unavailable"),
    );
  }

  miss(address: string, kind: CodeKind): void {
    this.#ask(missScript, [this.#myKey], [address, kind]).catch(() => {});
  }

  release(session: Session<Peer>): void {
    this.#claims.release(session);
  }

  async open(events: DirectoryEvents): Promise<void> {
    this.#events = events;
    const { url, prefix, logger } = this.#options;
    const connections = await openConnections(url);
    await new Promise<void>((resolve) => {
      this.#link = new RedisLink(connections, () => `${prefix}to:${this.#me}`, {
        probe: () => this.#beat(),
        up: () => {
          logger.info("the shared store is there");
          this.#claims.reclaim();
          this.#claims.repay();
          resolve();
        },
        down: (reason) => {
          logger.warn({ reason }, "the shared store is gone");
          this.#me = this.#drawId();
          this.#cutOff();
          resolve();
        },
        forgot: () => this.#claims.reclaim(),
        heard: (text) => this.#hear(text),
        heat: (short, long) => {
          this.#heat = { short: short / 8, long: long / 8 };
        },
      });
    });
  }

  sweep(): void {
    void this.#link?.probe();
    this.#claims.sweep();
  }

  async close(): Promise<void> {
    await this.#link?.close(this.#myKey);
  }

  get #myKey(): string {
    return `${this.#options.prefix}instance:${this.#me}`;
  }

  /** What each script is given. */
  get #header(): readonly string[] {
    return [this.#options.prefix, this.#me, ...this.#limits];
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

  /** Says that this instance lives, and looks whether those live that it talks to. */
  async #beat(): Promise<void> {
    const instances = [...new Set([...this.#remotes.values()].map(({ instance }) => instance))];
    const reply = await this.#link?.run(beatScript, [this.#myKey], [...this.#header, ...instances]);
    const gone = placesIn(reply?.second).map((place) => instances[place]);
    for (const remote of this.#remotes.values()) if (gone.includes(remote.instance)) this.#lose(remote);
  }

  #hear(text: string): void {
    const message = parseInstanceMessage(text);
    if (message === undefined) return;
    try {
      if (message.type === "joined") this.#join(message);
      else if (message.type === "accepted") this.#accept(message);
      else if (message.type === "refused") this.#finds.get(message.session)?.(message.reason);
      else this.#hearPeer(message);
    } catch (error) {
      // Thrown into the event of a library it would end the process, and with it everybody's session.
      const reason = error instanceof Error ? error.name : typeof error;
      this.#options.logger.error({ reason, type: message.type }, "a message of another instance failed");
      const remote = this.#remotes.get(message.type === "joined" ? message.talk : message.session);
      if (remote !== undefined) this.#lose(remote);
    }
  }

  #hearPeer(message: Exclude<InstanceMessage, { type: "joined" | "accepted" | "refused" }>): void {
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
    const waiting = this.#claims.session(session);
    if (this.#remotes.has(talk)) return;
    const remote = this.#remote(talk, instance, { sent: 0, heard: 1 });
    if (waiting === undefined) remote.refuse("otc_not_found");
    else if (this.#events?.joined(waiting, remote)) remote.say({ type: "accepted", instance: this.#me });
    else remote.refuse("peer_already_connected");
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
      publish: async (to, text, isPayload) =>
        (await this.#link?.publish(`${prefix}to:${to}`, text, isPayload)) ?? false,
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
