import { randomBytes } from "node:crypto";
import { type FileHandle, mkdtemp, open, rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { AmeshError } from "@authmesh/core";

/** Where bodies wait until they are verified: so many bytes together, in memory and on disk. */
export class SpoolRoom {
  readonly #parent: string;
  #mostBytes: number;
  #bytes = 0;
  #folder: Promise<string> | undefined;

  /** @param parent default: the system's folder for temporary files */
  constructor(mostBytes: number, parent: string = tmpdir()) {
    this.#mostBytes = mostBytes;
    this.#parent = parent;
  }

  /** Bytes that wait now. */
  get bytes(): number {
    return this.#bytes;
  }

  set mostBytes(bytes: number) {
    this.#mostBytes = bytes;
  }

  /** @throws AmeshError `gateway_busy` */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#mostBytes) throw new AmeshError("gateway_busy");
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
  }

  /** A file without a name: it is gone once it is closed, or the process is. */
  async openFile(): Promise<FileHandle> {
    this.#folder ??= mkdtemp(join(this.#parent, "amesh-spool-"));
    const path = join(await this.#folder, randomBytes(12).toString("hex"));
    const file = await open(path, "wx+", 0o600);
    await unlink(path);
    return file;
  }

  async close(): Promise<void> {
    const folder = await this.#folder?.catch(() => undefined);
    this.#folder = undefined;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** One body that waits: its first bytes in memory, and all of them in a file once they are more. */
export class Spool {
  readonly #room: SpoolRoom;
  readonly #memoryBytes: number;
  #chunks: Buffer[] = [];
  #file: FileHandle | undefined;
  #length = 0;
  #released = false;
  /** What is written to the file, one piece after the other. */
  #writing: Promise<void> | undefined;

  constructor(room: SpoolRoom, memoryBytes: number) {
    this.#room = room;
    this.#memoryBytes = memoryBytes;
  }

  get length(): number {
    return this.#length;
  }

  /**
   * Keeps a piece. Where that takes a disk, a promise says when the next may come.
   *
   * @throws AmeshError `gateway_busy`
   */
  write(chunk: Buffer): Promise<void> | undefined {
    this.#room.take(chunk.length);
    this.#length += chunk.length;
    this.#chunks.push(chunk);
    if (this.#file === undefined && this.#length <= this.#memoryBytes) return undefined;
    this.#writing = (this.#writing ?? Promise.resolve()).then(() => this.#flush());
    return this.#writing;
  }

  /** The body from its first byte. Closing the stream releases what it took. */
  open(): Readable {
    if (this.#file === undefined) {
      const stream = Readable.from(this.#chunks, { objectMode: false });
      return stream.once("close", () => this.release());
    }
    const file = this.#file;
    this.#file = undefined; // the stream closes it
    const stream = file.createReadStream({ start: 0 });
    return stream.once("close", () => this.release());
  }

  /** Gives back memory and file, whether or not anybody read them. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#room.give(this.#length);
    this.#chunks = [];
    const close = () => this.#file?.close().catch(() => {});
    if (this.#writing === undefined) void close();
    else void this.#writing.then(close, close);
  }

  async #flush(): Promise<void> {
    try {
      this.#file ??= await this.#room.openFile();
      const chunks = this.#chunks;
      this.#chunks = [];
      await this.#file.writeFile(Buffer.concat(chunks));
    } catch (cause) {
      throw new AmeshError("gateway_busy", "The disk takes no more bodies.", { cause });
    }
  }
}
