import { watch } from "node:fs";
import { dirname } from "node:path";
import { AmeshError } from "@authmesh/core";
import type { SeenFile } from "./bounded-file.js";

/** What is on disk: files, or why they cannot be read. */
export interface Sight {
  readonly files: readonly SeenFile[];
  readonly error?: AmeshError;
}

export interface FollowFilesOptions {
  /** A file, or a folder. */
  readonly path: string;
  /** What was there when following began. */
  readonly known: readonly SeenFile[];
  /** Reads what is there. */
  readonly read: () => Promise<readonly SeenFile[]>;
  /** Told of everything else that is there from then on, once it stays as it is. Must not reject. */
  readonly take: (sight: Sight) => Promise<void>;
}

const lookEveryMs = 500;
/** What is written in several steps is left alone until it has stayed the same for so long. */
const settleMs = 50;

/**
 * Follows files on disk: a change is seen within a second, whether a file was written, renamed into its place, or a link
 * to it changed. Watching is a hint only; what counts is the content. Keeps no process alive.
 *
 * @returns the way to stop
 */
export function followFiles(options: FollowFilesOptions): () => void {
  const followed = new FollowedFiles(options);
  return () => followed.close();
}

class FollowedFiles {
  readonly #options: FollowFilesOptions;
  /** What was looked at last and dealt with. */
  #known: Sight;
  /** What was seen for the first time and may be half written. */
  #unsettled: Sight | undefined;
  #isLooking = false;
  #isClosed = false;
  #soon: NodeJS.Timeout | undefined;
  readonly #stop: () => void;

  constructor(options: FollowFilesOptions) {
    this.#options = options;
    this.#known = { files: options.known };
    const look = () => void this.#look();
    const timer = setInterval(look, lookEveryMs).unref();
    const stopWatching = watchFolders([options.path, dirname(options.path)], look);
    this.#stop = () => {
      clearInterval(timer);
      clearTimeout(this.#soon);
      stopWatching();
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    const sight = await this.#see();
    if (this.#isClosed) return;
    const isNew = !isSame(sight, this.#known);
    const isSettled = this.#unsettled !== undefined && isSame(sight, this.#unsettled);
    if (isNew && isSettled) {
      this.#known = sight;
      await this.#options.take(sight);
    }
    this.#unsettled = isNew && !isSettled ? sight : undefined;
    this.#isLooking = false;
    if (this.#unsettled === undefined || this.#isClosed) return;
    this.#soon = setTimeout(() => void this.#look(), settleMs).unref();
  }

  async #see(): Promise<Sight> {
    try {
      return { files: await this.#options.read() };
    } catch (error) {
      return {
        files: [],
        error: error instanceof AmeshError ? error : new AmeshError("unexpected_error", String(error)),
      };
    }
  }
}

const isSame = (a: Sight, b: Sight): boolean =>
  a.error?.message === b.error?.message &&
  a.files.length === b.files.length &&
  a.files.every((file, index) => {
    const other = b.files[index] as SeenFile;
    return file.path === other.path && Buffer.compare(file.content, other.content) === 0;
  });

/** Where watching is not possible, or what is watched is moved away, looking every half second is left. */
function watchFolders(paths: readonly string[], onChange: () => void): () => void {
  const watchers = paths.flatMap((path) => {
    try {
      return [watch(path, { persistent: false }, onChange).on("error", () => {})];
    } catch {
      return [];
    }
  });
  return () => {
    for (const watcher of watchers) watcher.close();
  };
}
