import type { TokenSigner } from "@authmesh/oath";
import { type FeedPosition, type FeedStatement, signFeedStatement } from "@authmesh/oath/feed";
import { type EventStream, eventText } from "../http/event-streams.js";
import { buildSnapshot, type Snapshot } from "./feed-snapshot.js";
import type { FeedState, FeedStore, StoredDelta } from "./feed-store.js";

export interface ServedFeedOptions {
  readonly issuer: string;
  readonly name: string;
  readonly store: Pick<FeedStore, "deltasAfter" | "snapshot">;
  /** The feed key of the moment. */
  readonly signer: () => TokenSigner;
  /** Told how many deltas there were, and of the size of each snapshot that was built, in bytes. */
  readonly told: { deltas(count: number): void; snapshot(bytes: number): void };
}

/** A delta that is signed, and as an event. */
interface SignedDelta extends FeedPosition {
  readonly jws: string;
  readonly event: Uint8Array;
}

/** Whoever listens. */
export interface FeedReader {
  /** Whether it still may. */
  readonly mayRead: () => boolean;
}

export interface DeltaPage {
  readonly deltas: readonly SignedDelta[];
  /** Whether there are further ones. */
  readonly more: boolean;
}

const mostAtOnce = 1000;
/** UTF-16 code units of the deltas in one answer. */
const longestPage = 4 << 20;
/** Of more than that at once readers are told the head alone, and ask for the rest: it would not fit what may wait for each. */
const longestPushed = 64 << 10;

/**
 * One feed as this replica serves it: where it stands, its last deltas signed, and who listens. Each statement is signed
 * once, whoever it is for.
 */
export class ServedFeed {
  readonly #options: ServedFeedOptions;
  #state: FeedState;
  /** When the database was last known to stand there, in milliseconds. No head says that it is younger. */
  #asOf: number;
  #recent: SignedDelta[] = [];
  #head: { readonly of: string; readonly jws: Promise<string> } | undefined;
  #snapshot: Promise<Snapshot | undefined> | undefined;
  readonly #readers = new Map<EventStream, FeedReader>();
  /** Those of the readers who have all that there was. */
  readonly #following = new Set<EventStream>();

  constructor(options: ServedFeedOptions, state: FeedState, asOf: number) {
    this.#options = options;
    this.#state = state;
    this.#asOf = asOf;
  }

  get name(): string {
    return this.#options.name;
  }

  get state(): FeedState {
    return this.#state;
  }

  get hasReaders(): boolean {
    return this.#readers.size > 0;
  }

  /** The database was found where this feed is. @param asOf milliseconds */
  seen(asOf: number): void {
    this.#asOf = asOf;
  }

  /** Goes on to what the database has, and tells everybody. @param deltas those that lead there */
  async advance(state: FeedState, deltas: readonly StoredDelta[], asOf: number): Promise<void> {
    const signed = await Promise.all(deltas.map((delta) => this.#signDelta(delta)));
    this.#state = state;
    this.#asOf = asOf;
    this.#recent = withinBounds([...this.#recent, ...signed]);
    const { length } = upTo(longestPushed, signed);
    for (const { event } of signed.length === length ? signed : []) this.#tellAll(event);
    this.#options.told.deltas(signed.length);
    await this.beat();
  }

  /** Goes on where no deltas lead to: everybody has to take a snapshot. */
  async restart(state: FeedState, asOf: number): Promise<void> {
    this.#state = state;
    this.#asOf = asOf;
    this.#recent = [];
    this.#tellAll(snapshotEvent);
    await this.beat();
  }

  /** Another key signs from now on. */
  async keyChanged(): Promise<void> {
    this.#recent = [];
    this.#head = undefined;
    this.#snapshot = undefined;
    await this.beat();
  }

  /** Tells everybody the head. */
  async beat(): Promise<void> {
    if (this.hasReaders) this.#tellAll(await this.#headEvent());
  }

  /** The head as of when the database was asked last: the same one until then. */
  head(): Promise<string> {
    const { epoch, number, digest } = this.#state;
    const iat = Math.floor(this.#asOf / 1000);
    const of = `${epoch}.${number} ${iat}`;
    if (this.#head?.of !== of)
      this.#head = { of, jws: this.#sign({ kind: "head", epoch, number, digest, iat }) };
    return this.#head.jws;
  }

  /** @returns undefined where deltas after that are not known any more */
  async deltasAfter(position: FeedPosition, longest = longestPage): Promise<DeltaPage | undefined> {
    if (!isBehind(position, this.#state)) return { deltas: [], more: false };
    if (position.epoch < this.#state.epoch) return undefined;
    const next = position.number + 1;
    const known = this.#recent.findIndex(({ number }) => number === next);
    const deltas = known >= 0 ? this.#recent.slice(known) : await this.#storedAfter(position);
    if (deltas[0]?.number !== next) return undefined;
    const page = upTo(longest, deltas);
    return { deltas: page, more: (page.at(-1) as SignedDelta).number < this.#state.number };
  }

  /** The present state as a whole, built once. */
  async snapshot(): Promise<Snapshot | undefined> {
    const built = await this.#snapshot?.catch(() => undefined);
    if (built !== undefined && !isBehind(built, this.#state)) return built;
    this.#snapshot = this.#build();
    return this.#snapshot;
  }

  /**
   * Sends a reader what it missed, then whatever comes.
   *
   * @param from where it stands
   * @returns the way to stop that
   */
  follow(stream: EventStream, from: FeedPosition | undefined, reader: FeedReader): () => void {
    this.#readers.set(stream, reader);
    // What goes wrong ends the stream: whoever listens comes back.
    this.#catchUp(stream, from).catch(() => stream.end());
    return () => {
      this.#readers.delete(stream);
      this.#following.delete(stream);
    };
  }

  /** Ends the streams of whoever may not read any more. */
  review(): void {
    for (const [stream, { mayRead }] of this.#readers) if (!mayRead()) stream.end();
  }

  async #catchUp(stream: EventStream, from: FeedPosition | undefined): Promise<void> {
    let at = from;
    while (at !== undefined && isBehind(at, this.#state)) {
      const page = await this.deltasAfter(at, longestPushed);
      if (page === undefined) stream.write(snapshotEvent);
      if (page === undefined || page.more) break;
      for (const { event } of page.deltas) stream.write(event);
      at = page.deltas.at(-1);
    }
    // Nothing came in between: what comes from here on goes to all.
    if (this.#readers.has(stream)) this.#following.add(stream);
    stream.write(await this.#headEvent());
  }

  async #storedAfter(position: FeedPosition): Promise<readonly SignedDelta[]> {
    const stored = await this.#options.store.deltasAfter(this.name, position, mostAtOnce);
    const { number } = this.#state;
    return Promise.all(
      stored.filter((delta) => delta.number <= number).map((delta) => this.#signDelta(delta)),
    );
  }

  async #build(): Promise<Snapshot | undefined> {
    const iat = Math.floor(this.#asOf / 1000);
    const stored = await this.#options.store.snapshot(this.name);
    if (stored === undefined) return undefined;
    const snapshot = await buildSnapshot(stored, (content) =>
      this.#sign({ kind: "snapshot", ...content, iat }),
    );
    this.#options.told.snapshot(snapshot.packed.byteLength);
    return snapshot;
  }

  async #signDelta({ at, ...delta }: StoredDelta): Promise<SignedDelta> {
    const { epoch, number } = delta;
    const jws = await this.#sign({ kind: "delta", ...delta, iat: at });
    return { epoch, number, jws, event: eventOf("delta", delta, jws) };
  }

  async #headEvent(): Promise<Uint8Array> {
    const state = this.#state;
    return eventOf("head", state, await this.head());
  }

  #sign(statement: Unnamed<FeedStatement>): Promise<string> {
    const { issuer, name, signer } = this.#options;
    return signFeedStatement(signer(), { iss: issuer, feed: name, ...statement });
  }

  #tellAll(event: Uint8Array): void {
    for (const stream of this.#following) stream.write(event);
  }
}

/** Whether a position is before another one. */
export const isBehind = (one: FeedPosition, other: FeedPosition): boolean =>
  one.epoch < other.epoch || (one.epoch === other.epoch && one.number < other.number);

export const positionText = ({ epoch, number }: FeedPosition): string => `${epoch}.${number}`;

type Unnamed<Statement> = Statement extends unknown ? Omit<Statement, "iss" | "feed"> : never;

const eventOf = (event: string, position: FeedPosition, data: string): Uint8Array =>
  eventText(event, data, positionText(position));

/** Without an id: whoever comes back before it took the snapshot is told again. */
const snapshotEvent = eventText("snapshot", "{}");

/** The first of them, as far as they fit; one at least. */
function upTo(longest: number, deltas: readonly SignedDelta[]): readonly SignedDelta[] {
  let length = 0;
  const end = deltas.findIndex(({ jws }, index) => {
    length += jws.length;
    return index > 0 && (length > longest || index >= mostAtOnce);
  });
  return end < 0 ? deltas : deltas.slice(0, end);
}

/** The last of them, as far as they are kept in memory. */
const withinBounds = (deltas: readonly SignedDelta[]): SignedDelta[] =>
  [...upTo(longestPage, deltas.slice(-mostAtOnce).reverse())].reverse();
