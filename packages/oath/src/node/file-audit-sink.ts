import { type AuditEvent, type AuditSink, createAuditEvent, type JsonObject } from "@authmesh/core";
import { type ChainHead, chainEvent, chainStart } from "../audit/chain.js";
import { type CheckpointOptions, Checkpoints } from "../audit/checkpoints.js";
import { type Schedule, unreferencedTimer } from "../timing/index.js";
import { AuditFile } from "./audit-file.js";
import { lastRotated, setAside } from "./rotated-files.js";
import { lockSuffix, WriterLock } from "./writer-lock.js";

export interface FileAuditOptions {
  readonly path: string;
  /**
   * When lines are forced to the disk. "always": before they are acknowledged, those that wait together in one go.
   * "interval": once a second. "never": when the system likes to. A process that is killed loses nothing that was
   * acknowledged in any case; a machine that loses power does, but with "always". Default "interval".
   */
  readonly fsync?: "always" | "interval" | "never";
  /** Bytes beyond which another file is begun; the full one stays beside it. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Seconds at whose multiples since the epoch another file is begun: 86,400 is midnight UTC. Default never. */
  readonly rotateSeconds?: number;
  /** Signs from time to time where the chain stands. Default: nobody does. */
  readonly checkpoints?: CheckpointOptions;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  /** Default: timers that keep no process alive. */
  readonly schedule?: Schedule;
}

interface Waiting {
  readonly events: readonly AuditEvent[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

const syncEveryMs = 1000;

/**
 * Appends events to a file, one line each, chained by their hashes (docs/protocol.md, section 13.3). The chain goes on
 * over restarts and rotations. What happened to the file behind its back is told in the chain itself, as an
 * `audit.notice`. One process writes one file.
 *
 * The file is opened by the first write. A write that fails leaves no part of a line, and the next one begins by opening
 * the file again.
 */
export class FileAuditSink implements AuditSink {
  readonly #options: FileAuditOptions;
  readonly #now: () => number;
  readonly #schedule: Schedule;
  readonly #checkpoints: Checkpoints | undefined;
  #lock: WriterLock | undefined;
  #file: AuditFile | undefined;
  #head: ChainHead | undefined;
  /** Milliseconds since the epoch. */
  #writtenAt = 0;
  /** What is to be told in the chain before anything else. */
  #notices: JsonObject[] = [];
  #waiting: Waiting[] = [];
  #flushing: Promise<void> | undefined;
  #cancelSync: (() => void) | undefined;

  /** @throws TypeError for options that make no sense */
  constructor(options: FileAuditOptions) {
    const { fsync = "interval", maxBytes = 1, rotateSeconds = 1, checkpoints } = options;
    if (typeof options.path !== "string" || options.path === "")
      throw new TypeError("path must name a file.");
    if (!["always", "interval", "never"].includes(fsync))
      throw new TypeError('fsync must be "always", "interval" or "never".');
    for (const [name, value] of Object.entries({ maxBytes, rotateSeconds }))
      if (!Number.isSafeInteger(value) || value < 1)
        throw new TypeError(`${name} must be a whole number above 0.`);
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#schedule = options.schedule ?? unreferencedTimer;
    const parts = { now: this.#now, schedule: this.#schedule };
    const append = (event: AuditEvent) => this.write([event]);
    this.#checkpoints =
      checkpoints === undefined ? undefined : new Checkpoints({ ...checkpoints, ...parts, append });
  }

  /** @throws AmeshError `storage_failed` */
  write(events: readonly AuditEvent[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ events, resolve, reject });
      this.#flushing ??= Promise.resolve().then(() => this.#flush());
    });
  }

  /**
   * Signs where the chain stands if that is wanted, and lets another process have the file.
   *
   * @throws AmeshError `storage_failed` when the disk did not take what was written since the last turn
   */
  async close(): Promise<void> {
    await this.#flushing;
    await this.#checkpoints?.close();
    this.#cancelSync?.();
    try {
      if (this.#options.fsync !== "never") await this.#file?.sync();
    } finally {
      await this.#release();
    }
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        await this.#commit(group.flatMap(({ events }) => events));
        for (const { resolve } of group) resolve();
      } catch (error) {
        await this.#release(); // opened again, it is what the disk says
        for (const { reject } of group) reject(error);
      }
    }
    this.#flushing = undefined;
  }

  async #commit(events: readonly AuditEvent[]): Promise<void> {
    let file = await this.#current();
    if (this.#isDue(file, events.length)) file = await this.#rotate(file);
    const told = [...this.#notices.map((data) => this.#notice(data)), ...events];
    let head = this.#head as ChainHead;
    let text = "";
    for (const event of told) {
      const next = chainEvent(event, head);
      text += `${next.line}\n`;
      head = next.head;
    }
    const { fsync = "interval" } = this.#options;
    await file.append(Buffer.from(text), fsync === "always");
    this.#head = head;
    this.#writtenAt = this.#now();
    this.#notices = [];
    if (fsync === "interval") this.#cancelSync ??= this.#schedule(() => this.#sync(), syncEveryMs);
    this.#checkpoints?.advanced(head, told);
  }

  /** The file, as it is now; opened anew where something happened to it. */
  async #current(): Promise<AuditFile> {
    if (this.#lock?.isHeld === false) await this.#release();
    const change = this.#file?.change();
    if (change !== undefined) await this.#release();
    this.#lock ??= WriterLock.take(this.#options.path + lockSuffix);
    this.#file ??= await this.#open(change);
    return this.#file;
  }

  async #open(change: string | undefined): Promise<AuditFile> {
    const { path, fsync } = this.#options;
    const file = await AuditFile.open(path, fsync === "always");
    const { line, size, torn } = file.tail;
    this.#writtenAt = file.lastWritten;
    if (torn > 0) this.#notices.push({ notice: "torn_line_removed", bytes: torn });
    if (line === undefined && size > 0 && this.#head === undefined) {
      await file.close();
      const keptAs = await setAside(path, this.#now(), 0);
      this.#notices.push({ notice: "file_set_aside", keptAs });
      return this.#open(change);
    }
    const onDisk = line ?? (size === 0 ? await lastRotated(path) : undefined);
    const { sequence, hash } = onDisk ?? chainStart;
    if (this.#head === undefined) this.#head = { sequence, hash };
    else if (this.#head.hash !== hash || change === "moved")
      this.#notices.push({ notice: `file_${change ?? "changed"}` });
    return file;
  }

  #isDue(file: AuditFile, events: number): boolean {
    const { maxBytes = 256 << 20, rotateSeconds } = this.#options;
    if (file.size === 0 || events === 0) return false;
    if (file.size >= maxBytes) return true;
    if (rotateSeconds === undefined) return false;
    const period = (ms: number) => Math.floor(ms / 1000 / rotateSeconds);
    return period(this.#writtenAt) !== period(this.#now());
  }

  async #rotate(file: AuditFile): Promise<AuditFile> {
    const { path, fsync = "interval" } = this.#options;
    if (fsync !== "never") await file.sync();
    await setAside(path, this.#now(), (this.#head as ChainHead).sequence);
    await file.close();
    this.#file = await AuditFile.open(path, fsync === "always");
    return this.#file;
  }

  #sync(): void {
    this.#cancelSync = undefined;
    // The next write finds out by itself whether the disk works.
    this.#file?.sync().catch(() => this.#release());
  }

  #notice(data: JsonObject): AuditEvent {
    const [type, source] = ["dev.authmesh.audit.notice", "urn:authmesh:audit"] as const;
    return createAuditEvent({ type, source, time: this.#now() / 1000, proven: true, data });
  }

  async #release(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
    this.#lock?.release();
    this.#lock = undefined;
  }
}
