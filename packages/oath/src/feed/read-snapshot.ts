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
export const readAtOnce = 1000;

/**
 * Reads a snapshot as it arrives (docs/protocol.md, section 9.2). Nothing of it is believed before its last line was
 * read: the state that comes of it is a new one.
 *
 * @param readStatement verifies the first line
 * @throws AmeshError `feed_malformed`; what `readStatement` and the stream throw
 */
export async function readSnapshot(
  body: AsyncIterable<Uint8Array>,
  readStatement: (jws: string) => FeedStatement | Promise<FeedStatement>,
): Promise<Snapshot> {
  let reader: SnapshotReader | undefined;
  const lines = new LineSplitter(longestLine, "The snapshot of the trust feed");
  let length = 0;
  for await (const bytes of body) {
    length += bytes.length;
    if (length > mostSnapshotBytes) throw refused(`it has more than ${mostSnapshotBytes} bytes`);
    for (const line of lines.push(bytes)) {
      if (reader === undefined) reader = new SnapshotReader(await readStatement(decodeUtf8(line) ?? ""));
      else if (reader.add(line) % readAtOnce === 0) await aBreak();
    }
  }
  if (reader === undefined || !lines.atEnd) throw refused("it ends too early");
  return reader.end();
}

export interface Snapshot {
  readonly snapshot: FeedSnapshot;
  readonly state: FeedState;
}

class SnapshotReader {
  readonly #snapshot: FeedSnapshot;
  readonly #hash = createRunningHash("sha256");
  readonly #state = new FeedState();
  #entries = 0;
  #last: readonly [string, string] = ["", ""];

  constructor(statement: FeedStatement) {
    if (statement.kind !== "snapshot") throw refused(`it begins with a ${statement.kind}`);
    if (statement.entries > mostSnapshotEntries)
      throw refused(`it has more than ${mostSnapshotEntries} entries`);
    this.#snapshot = statement;
  }

  /** @returns how many entries there are by now */
  add(line: Uint8Array): number {
    this.#hash.update(line);
    this.#hash.update(lineFeed);
    if (++this.#entries > this.#snapshot.entries) throw refused("it has more entries than it says");
    const change = readEntry(line);
    const [kind, id] = change;
    const [lastKind, lastId] = this.#last;
    if (kind < lastKind || (kind === lastKind && id <= lastId)) throw refused("its entries are not in order");
    this.#last = [kind, id];
    withCode(() => this.#state.apply([change]), "feed_malformed", "The snapshot of the trust feed");
    return this.#entries;
  }

  end(): Snapshot {
    const { entries, body } = this.#snapshot;
    if (this.#entries !== entries) throw refused(`it has ${this.#entries} entries and not ${entries}`);
    const digest = this.#hash.digest();
    if (digest.some((byte, index) => byte !== body[index])) throw refused("it is not what was signed");
    return { snapshot: this.#snapshot, state: this.#state };
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
