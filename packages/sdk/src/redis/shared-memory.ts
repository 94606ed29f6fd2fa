import { createHash, randomBytes } from "node:crypto";
import { AmeshError, quoteForeign, type RedisCommands } from "@authmesh/core";
import { establishScript, readMarker, vouchScript } from "./memory-marker.js";
import { markerKey, nonceKey, slots } from "./nonce-key.js";

export interface SharedMemoryOptions {
  readonly prefix: string;
  readonly emptyStore: "new" | "forgotten";
  readonly allowEviction: boolean;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

const vouchSha = createHash("sha1").update(vouchScript).digest("hex");

/** Seconds after which nothing that was lost could be accepted any more, whatever the configuration. */
const longAgo = 700;

/** Seconds after a loss in which another one is looked for more often; an epoch lasts about 40. */
const restless = 60;

/** What several instances remember together in one Redis, and what is known of it having forgotten. */
export class SharedMemory {
  /** Unix second in which a loss was last found, by whichever instance. */
  forgotAt: number | undefined;
  /** Unix second in which somebody found the store empty and took it for a new one. */
  beganAt: number | undefined;
  readonly #commands: RedisCommands;
  readonly #options: SharedMemoryOptions;
  readonly #forgotten: (second: number) => void;
  /** The marker of each slot, as this instance last knew it. */
  readonly #markers = new Map<string, string>();
  /** The slots of which that is still to be relied on. */
  readonly #sure = new Set<string>();
  #acceptedAt = 0;
  /** Counts what was accepted elsewhere. */
  #absences = 0;
  #establishing: Promise<ReadonlyMap<string, unknown>> | undefined;
  #waiting = 0;
  #looks = 0;

  /** @param forgotten is told of losses that still matter, with their Unix second */
  constructor(
    commands: RedisCommands,
    options: SharedMemoryOptions,
    forgotten: (second: number) => void = () => {},
  ) {
    this.#commands = commands;
    this.#options = options;
    this.#forgotten = forgotten;
  }

  /** Whether it was ever known what is there. */
  get established(): boolean {
    return this.forgotAt !== undefined || this.beganAt !== undefined;
  }

  /** Checks that Redis did not answer yet, also those that nobody waits for any more. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * "fresh" when the nonce was not recorded before; it is recorded by the same command. The marker is asked for right
   * behind it: only if that is unchanged does the answer stand for everything that was ever recorded. Otherwise there
   * is none, and from now on `forgotAt` says what is not known any more.
   *
   * @throws AmeshError `replay_store_unavailable` when this Redis is not fit
   * @throws whatever the client throws
   */
  async record(nonce: string, milliseconds: number): Promise<"fresh" | "seen" | "changed"> {
    this.#waiting++;
    try {
      return await this.#record(nonce, milliseconds);
    } finally {
      this.#waiting--;
    }
  }

  async #record(nonce: string, milliseconds: number): Promise<"fresh" | "seen" | "changed"> {
    const { slot, key } = nonceKey(this.#options.prefix, nonce);
    const known = this.#sure.has(slot) ? this.#markerOf(slot) : await this.establish(slot);
    const at = this.#second();
    const [answer, vouched] = await Promise.all([
      this.#send(key, "SET", key, "1", "NX", "PX", String(milliseconds)),
      this.#vouch(markerKey(this.#options.prefix, slot), known),
    ]);
    if (!vouched) {
      this.#doubt(slot, known);
      await this.establish(slot);
      return "changed";
    }
    if (answer === undefined) return "seen";
    this.#acceptedAt = Math.max(this.#acceptedAt, at);
    return "fresh";
  }

  /**
   * Finds out what has become of this Redis, also when nobody asks: by one small command, on another slot each time,
   * and by establishing where something is in doubt.
   *
   * @returns whether all is known, and no loss is recent
   * @throws what `record` throws
   */
  async look(): Promise<boolean> {
    const slot = slots[this.#looks++ % slots.length] as string;
    this.#waiting++;
    try {
      const known = this.#markers.get(slot) ?? "";
      if (!(await this.#vouch(markerKey(this.#options.prefix, slot), known))) this.#doubt(slot, known);
      if (this.#sure.size < slots.length) await this.establish(slot);
    } finally {
      this.#waiting--;
    }
    const recent = this.forgotAt !== undefined && this.#second() <= this.forgotAt + restless;
    return this.#sure.size === slots.length && !recent;
  }

  /** Of the many that find it out at once, one has to look what is there now. */
  #doubt(slot: string, known: string): void {
    if (known === (this.#markers.get(slot) ?? "")) this.#sure.clear();
  }

  /** What was accepted without Redis it has, in a way, forgotten: the markers will say so to others. */
  acceptedElsewhere(second: number): void {
    this.#acceptedAt = Math.max(this.#acceptedAt, second);
    this.#absences++;
    this.#markers.clear();
    this.#sure.clear();
  }

  /**
   * Makes known what is there, in all slots of which it is not, and returns the marker of one of them.
   *
   * @throws AmeshError `replay_store_unavailable` when this Redis is not fit
   * @throws whatever the client throws
   */
  async establish(slot: string = slots[0] as string): Promise<string> {
    this.#establishing ??= this.#establishAll().finally(() => {
      this.#establishing = undefined;
    });
    const failures = await this.#establishing;
    if (!this.#sure.has(slot)) throw failures.get(slot) ?? new AmeshError("replay_store_unavailable");
    return this.#markerOf(slot);
  }

  async #establishAll(): Promise<ReadonlyMap<string, unknown>> {
    const before = this.forgotAt;
    const failures = new Map<string, unknown>();
    const unsure = slots.filter((slot) => !this.#sure.has(slot));
    await Promise.all(
      unsure.map((slot) => this.#establishOne(slot).catch((error: unknown) => failures.set(slot, error))),
    );
    if (this.forgotAt !== undefined && this.forgotAt !== before && this.forgotAt > this.#second() - longAgo)
      this.#forgotten(this.forgotAt);
    return failures;
  }

  async #establishOne(slot: string): Promise<void> {
    const { prefix, emptyStore } = this.#options;
    const key = markerKey(prefix, slot);
    // Asked in full, for a server runs by their hash only those scripts that it was shown.
    const moment = (await this.#send(key, "EVAL", vouchScript, "1", key, "")) ?? "";
    const known = this.#markers.get(slot) ?? "";
    const absences = this.#absences;
    const [since, now] = [String(this.#acceptedAt), String(this.#second())];
    const fresh = randomBytes(8).toString("base64url");
    const empty = emptyStore === "new" ? "new" : "lost";
    const answer =
      (await this.#send(key, "EVAL", establishScript, "1", key, known, since, now, fresh, empty, moment)) ??
      "";
    const [text = "", memory = ""] = answer.split("\n");
    this.#refuseEviction(memory);
    const marker = readMarker(text);
    if (marker === undefined)
      throw new AmeshError("replay_store_unavailable", "What answers is not a Redis that amesh knows.");
    if (absences === this.#absences) {
      this.#markers.set(slot, text);
      this.#sure.add(slot);
    }
    const at = marker.kind === "lost" ? "forgotAt" : "beganAt";
    this[at] = Math.max(this[at] ?? 0, marker.second);
  }

  #refuseEviction(memory: string): void {
    const [limit = "?", policy = "?"] = memory.split(" ");
    if (limit === "0" || policy === "noeviction" || this.#options.allowEviction) return;
    throw new AmeshError(
      "replay_store_unavailable",
      `The Redis drops what is still needed when its memory is full (maxmemory-policy ${quoteForeign(policy)}).`,
      { fix: "Set maxmemory-policy to noeviction, or give nonces a Redis of their own." },
    );
  }

  async #vouch(key: string, marker: string): Promise<boolean> {
    try {
      return (await this.#send(key, "EVALSHA", vouchSha, "1", key, marker)) === "1";
    } catch (error) {
      // A server that forgot its scripts may have forgotten more.
      if (error instanceof Error && error.message.startsWith("NOSCRIPT")) return false;
      throw error;
    }
  }

  async #send(key: string, ...command: [string, ...string[]]): Promise<string | undefined> {
    const reply = await this.#commands.send(key, command);
    return reply === null || reply === undefined ? undefined : String(reply);
  }

  #markerOf(slot: string): string {
    return this.#markers.get(slot) as string;
  }

  #second(): number {
    return Math.floor(this.#options.now() / 1000);
  }
}
