import { AmeshError, createRunningHash, decodeUtf8, parseStrictJson } from "@authmesh/core";
import { withCode } from "@authmesh/core/records";
import { type FeedChange, readFeedChange } from "./feed-change.js";
import { FeedState } from "./feed-state.js";
import type { FeedSnapshot, FeedStatement } from "./feed-statement.js";
import { LineSplitter } from "./line-splitter.js";

export const mostSnapshotEntries = 500_000;
export const mostSnapshotBytes = 512 << 20;
/** The statement, or a device with 256 scopes. */
const longestLine = 64 << 10;
/** Entries that are read without a break: some five milliseconds. */
const readAtOnce = 1000;

/**
 * Reads a snapshot as it arrives (docs/protocol.md, section 9.2). Nothing of it is believed before its last line was
 * read: the state that comes of it is a new one.
 *
 * @param readStatement verifies the first line
 * @throws AmeshError `feed_malformed`; what `readStatement` and the stream throw
 */
export async function readSnapshot(
  body: AsyncIterable<Uint8Array>,
  readStatement: (jws: string) => FeedStatement,
): Promise<{ readonly snapshot: FeedSnapshot; readonly state: FeedState }> {
  const reader = new SnapshotReader(readStatement);
  for await (const bytes of body) for (const pause of reader.push(bytes)) if (pause) await aBreak();
  return reader.end();
}

class SnapshotReader {
  readonly #readStatement: (jws: string) => FeedStatement;
  readonly #lines = new LineSplitter(longestLine, "The snapshot of the trust feed");
  readonly #hash = createRunningHash("sha256");
  readonly #state = new FeedState();
  #snapshot: FeedSnapshot | undefined;
  #bytes = 0;
  #entries = 0;
  #last: readonly [string, string] = ["", ""];

  constructor(readStatement: (jws: string) => FeedStatement) {
    this.#readStatement = readStatement;
  }

  /** Yields after each line, and true where others may have a turn. */
  *push(bytes: Uint8Array): Generator<boolean> {
    this.#bytes += bytes.length;
    if (this.#bytes > mostSnapshotBytes) throw refused(`it has more than ${mostSnapshotBytes} bytes`);
    for (const line of this.#lines.push(bytes)) {
      if (this.#snapshot === undefined) this.#begin(line);
      else this.#add(line);
      yield this.#entries % readAtOnce === 0;
    }
  }

  end(): { readonly snapshot: FeedSnapshot; readonly state: FeedState } {
    const snapshot = this.#snapshot;
    if (snapshot === undefined || !this.#lines.atEnd) throw refused("it ends too early");
    if (this.#entries !== snapshot.entries)
      throw refused(`it has ${this.#entries} entries and not ${snapshot.entries}`);
    const digest = this.#hash.digest();
    if (digest.some((byte, index) => byte !== snapshot.body[index]))
      throw refused("it is not what was signed");
    return { snapshot, state: this.#state };
  }

  #begin(line: Uint8Array): void {
    const statement = this.#readStatement(decodeUtf8(line) ?? "");
    if (statement.kind !== "snapshot") throw refused(`it begins with a ${statement.kind}`);
    if (statement.entries > mostSnapshotEntries)
      throw refused(`it has more than ${mostSnapshotEntries} entries`);
    this.#snapshot = statement;
  }

  #add(line: Uint8Array): void {
    this.#hash.update(line);
    this.#hash.update(lineFeed);
    if (++this.#entries > (this.#snapshot as FeedSnapshot).entries)
      throw refused("it has more entries than it says");
    const change = readEntry(line);
    const [kind, id] = change;
    const [lastKind, lastId] = this.#last;
    if (kind < lastKind || (kind === lastKind && id <= lastId)) throw refused("its entries are not in order");
    this.#last = [kind, id];
    withCode(() => this.#state.apply([change]), "feed_malformed", "The snapshot of the trust feed");
  }
}

const lineFeed = new Uint8Array([0x0a]);

/** One line of a snapshot, or of a copy that was kept. @throws AmeshError `feed_malformed` */
export function readEntry(line: Uint8Array): FeedChange {
  const { value, problem } = parseStrictJson(line, { integers: true });
  if (problem !== undefined) throw refused(problem);
  const change = withCode(
    () => readFeedChange(value, "an entry"),
    "feed_malformed",
    "The snapshot of the trust feed",
  );
  if (change[2] === null) throw refused("an entry has no value");
  return change;
}

/** Lets what else there is have a turn. */
export const aBreak = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

const refused = (problem: string): AmeshError =>
  new AmeshError("feed_malformed", `The snapshot of the trust feed is refused: ${problem}.`);
