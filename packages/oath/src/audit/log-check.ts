import { AmeshError, checkEventEvidence } from "@authmesh/core";
import type { IssuerKey } from "../keys.js";
import { type ChainHead, type ChainLine, chainStart, readChainLine } from "./chain.js";
import { type Checkpoint, readCheckpoint } from "./checkpoint.js";

/** Where something stands: file and line, from 1. */
export interface Place {
  readonly file: string;
  readonly line: number;
}

/** What is wrong with a log. */
export interface Finding extends Place {
  readonly kind: FindingKind;
  /** One sentence. */
  readonly detail: string;
}

export type FindingKind =
  | "unreadable"
  | "edited"
  | "missing"
  | "out_of_place"
  | "repeated"
  | "forked"
  | "restarted"
  | "begins_late"
  | "torn"
  | "truncated"
  | "rewritten"
  | "checkpoint"
  | "unsigned"
  | "evidence";

export interface LogCheckOptions {
  /** Keys that sign checkpoints. Without them the checkpoints in the log are not looked at. */
  readonly keys?: readonly IssuerKey[];
  /** The latest checkpoint, kept elsewhere: a compact JWS. Needs `keys`. */
  readonly checkpoint?: string;
  /** Whether the log may begin after its first line, because older files are kept elsewhere. Default false. */
  readonly partial?: boolean;
  /** Check the evidence that events hold. Default false. */
  readonly signatures?: boolean;
}

export interface LogReport {
  readonly lines: number;
  /** Number of the first line. */
  readonly first?: number;
  /** Where the chain stands at the end. */
  readonly head?: ChainHead;
  /** Number of the last line that a checkpoint vouches for. */
  readonly signedThrough?: number;
  /** The last checkpoint in the log: what to keep elsewhere. */
  readonly lastCheckpoint?: string;
  /** How many events hold evidence, of those that were looked at. */
  readonly evidence: number;
  /** What the log itself tells of: files that were moved, lines that were torn. A hundred at most. */
  readonly notices: readonly (Place & { readonly notice: string })[];
  /** The first hundred. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
}

/** Lines that a checkpoint may stand behind the one that it is about, and that a fork is seen within. */
const remembered = 1 << 16;
const mostTold = 100;

/**
 * Checks the lines of a log one after another, in bounded memory (docs/protocol.md, section 13.5). After each finding it
 * goes on from the line as it stands, so that one change is one finding or two.
 */
export class LogCheck {
  readonly #options: LogCheckOptions;
  readonly #keys: readonly IssuerKey[];
  readonly #kept: Checkpoint | undefined;
  readonly #hashes = new Map<number, string>();
  readonly #findings: Finding[] = [];
  readonly #notices: (Place & { notice: string })[] = [];
  #findingCount = 0;
  #lines = 0;
  #evidence = 0;
  #unreadable = 0;
  #first: number | undefined;
  #head: ChainHead | undefined;
  #signedThrough: number | undefined;
  #lastCheckpoint: string | undefined;
  #place: Place = { file: "", line: 0 };

  /** @throws AmeshError `invalid_option` for a checkpoint that none of the keys signed */
  constructor(options: LogCheckOptions = {}) {
    this.#options = options;
    this.#keys = options.keys ?? [];
    if (options.checkpoint === undefined) return;
    const { checkpoint, problem } = readCheckpoint(options.checkpoint, this.#keys);
    if (checkpoint === undefined)
      throw new AmeshError("invalid_option", `The checkpoint cannot be used: ${problem}.`, {
        fix: "Give the checkpoint as it was kept, and the key of whoever signed it.",
      });
    this.#kept = checkpoint;
  }

  /** @param bytes without the end of line */
  line(bytes: Uint8Array, place: Place): void {
    this.#place = place;
    this.#lines++;
    const line = readChainLine(bytes);
    if (line === undefined) {
      this.#unreadable++;
      this.#find("unreadable", "The line is not one of an audit log.");
      return;
    }
    if (this.#head === undefined) this.#begin(line);
    else if (line.sequence > this.#head.sequence) this.#goOn(line, this.#head);
    else if (!this.#goBack(line)) return;
    this.#accept(line);
    this.#look(line);
  }

  /** The log ends with a line that has no end. */
  torn(place: Place): void {
    this.#place = place;
    this.#find("torn", "The last line has no end: its writer was stopped, or is writing it now.");
  }

  end(): LogReport {
    this.#compareWithKept();
    if (this.#keys.length > 0 && this.#signedThrough === undefined)
      this.#find("unsigned", "No checkpoint by the keys given vouches for any of the lines.");
    return {
      lines: this.#lines,
      evidence: this.#evidence,
      notices: this.#notices,
      findings: this.#findings,
      findingCount: this.#findingCount,
      ...(this.#first === undefined ? {} : { first: this.#first }),
      ...(this.#head === undefined ? {} : { head: this.#head }),
      ...(this.#signedThrough === undefined ? {} : { signedThrough: this.#signedThrough }),
      ...(this.#lastCheckpoint === undefined ? {} : { lastCheckpoint: this.#lastCheckpoint }),
    };
  }

  #begin({ sequence, previous }: ChainLine): void {
    this.#first = sequence;
    if (sequence > 1 && !this.#options.partial)
      this.#find("begins_late", `The log begins with number ${sequence}: what came before is not here.`);
    if (sequence === 1 && previous !== chainStart.hash)
      this.#find("edited", "Number 1 says that a line came before it.");
  }

  #goOn({ sequence, previous }: ChainLine, head: ChainHead): void {
    const missing = sequence - head.sequence - 1;
    if (missing === 0 && previous !== head.hash) {
      const detail = `Number ${head.sequence} is not what number ${sequence} was written behind: one of the two was changed.`;
      this.#find("edited", detail);
    } else if (missing > 0 && missing !== this.#unreadable) {
      const which =
        missing === 1 ? `Number ${sequence - 1} is` : `Numbers ${head.sequence + 1} to ${sequence - 1} are`;
      this.#find("missing", `${which} missing.`);
    }
  }

  /** @returns whether the log goes on from this line */
  #goBack({ sequence, previous, hash }: ChainLine): boolean {
    if (this.#hashes.get(sequence) === hash) {
      this.#find("repeated", `Number ${sequence} is here again.`);
      return false;
    }
    if (sequence === 1 && previous === chainStart.hash) {
      this.#find("restarted", "A new chain begins here: its writer did not know of the lines before.");
      return true;
    }
    if (this.#hashes.get(sequence - 1) === previous && this.#hashes.has(sequence)) {
      this.#find("forked", `Number ${sequence - 1} is continued twice, by two numbers ${sequence}.`);
      return true;
    }
    this.#find("out_of_place", `Number ${sequence} stands behind number ${this.#head?.sequence}.`);
    return false;
  }

  #accept({ sequence, hash }: ChainLine): void {
    this.#unreadable = 0;
    this.#head = { sequence, hash };
    this.#hashes.set(sequence, hash);
    this.#hashes.delete(sequence - remembered);
    if (sequence !== this.#kept?.sequence) return;
    if (hash === this.#kept.hash) this.#signed(sequence);
    else this.#find("rewritten", `The checkpoint given tells of another number ${sequence}.`);
  }

  #look({ event: { type, data } }: ChainLine): void {
    if (type === "dev.authmesh.audit.notice" && this.#notices.length < mostTold)
      this.#notices.push({ ...this.#place, notice: String(data["notice"]) });
    if (type === "dev.authmesh.audit.checkpoint") this.#lookAtCheckpoint(String(data["checkpoint"]));
    if (!this.#options.signatures) return;
    const check = checkEventEvidence(data);
    if (check === undefined) return;
    this.#evidence++;
    if (!check.holds) this.#find("evidence", check.problem);
  }

  #lookAtCheckpoint(jws: string): void {
    if (this.#keys.length === 0) {
      this.#lastCheckpoint = jws;
      return;
    }
    const { checkpoint, problem } = readCheckpoint(jws, this.#keys);
    if (checkpoint === undefined) this.#find("checkpoint", `The checkpoint does not count: ${problem}.`);
    else {
      this.#lastCheckpoint = jws;
      this.#compare(checkpoint);
    }
  }

  #compare({ sequence, hash }: Checkpoint): void {
    const own = this.#hashes.get(sequence);
    // One that speaks of a line too long ago, or of one in an older file, says nothing about those that are here.
    if (own === hash) this.#signed(sequence);
    else if (own !== undefined)
      this.#find("rewritten", `The checkpoint tells of another number ${sequence}.`);
    else if (sequence > (this.#head?.sequence ?? 0))
      this.#find("checkpoint", `The checkpoint tells of number ${sequence}, which is not there yet.`);
  }

  #compareWithKept(): void {
    const [kept, head] = [this.#kept?.sequence, this.#head?.sequence ?? 0];
    if (kept === undefined) return;
    if (head < kept)
      this.#find(
        "truncated",
        `The log ends with number ${head}, and the checkpoint given tells of number ${kept}.`,
      );
    else if (kept < (this.#first ?? 0))
      this.#find(
        "checkpoint",
        `The checkpoint given tells of number ${kept}, and the files begin behind it.`,
      );
  }

  #signed(sequence: number): void {
    this.#signedThrough = Math.max(this.#signedThrough ?? 0, sequence);
  }

  #find(kind: FindingKind, detail: string): void {
    this.#findingCount++;
    if (this.#findings.length < mostTold) this.#findings.push({ kind, ...this.#place, detail });
  }
}
