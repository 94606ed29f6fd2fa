import { AmeshError, type JsonValue } from "@authmesh/core";
import { listOf, record, text, withCode } from "@authmesh/core/records";
import type { IssuerKey, PublicJwk } from "../keys.js";
import { feedKey, importedFeedKey, type ReadFeedRotation, readFeedRotation } from "./feed-rotation.js";
import { type FeedStatement, readFeedStatement } from "./feed-statement.js";

/** The key that a verifier has come to: what it keeps, so that no older key can lead it elsewhere later. */
export interface FeedAnchor {
  readonly key: PublicJwk;
  /** The last rotation that led there; 0 where none did. */
  readonly seq: number;
  /** Thumbprints of the keys before it, the first one first, as far back as rotations are known. */
  readonly through: readonly string[];
}

const mostRotations = 1000;

const readAnswer = record({
  key: feedKey,
  first: feedKey,
  rotations: listOf(text(/^[\x21-\x7e]{1,4096}$/, "a JWS"), mostRotations),
});

interface Superseded {
  readonly key: IssuerKey;
  /** Unix seconds after which it signs nothing. */
  readonly until: number;
}

/**
 * The feed keys of one authority, as far as rotations lead from the one that a verifier knows (docs/protocol.md,
 * sections 9.2 and 9.4).
 */
export class FeedKeys {
  readonly #iss: string;
  /** The thumbprint that was configured; undefined until the first key is taken at its word. */
  #pinned: string | undefined;
  #anchor: FeedAnchor | undefined;
  #present: IssuerKey | undefined;
  readonly #superseded = new Map<string, Superseded>();

  /** @param from a thumbprint, or what was kept; none: the first key that is seen */
  constructor(iss: string, from: string | FeedAnchor | undefined) {
    this.#iss = iss;
    if (typeof from === "object") this.#goTo(from);
    else this.#pinned = from;
  }

  /** Undefined as long as only a thumbprint is known. */
  get anchor(): FeedAnchor | undefined {
    return this.#anchor;
  }

  /** Thumbprint of the key that is believed; undefined before there is any. */
  get thumbprint(): string | undefined {
    return this.#anchor?.key.kid ?? this.#pinned;
  }

  /**
   * Takes what the authority publishes of its keys.
   *
   * @returns whether it led on to another key, or to the first
   * @throws AmeshError `feed_key_changed`, `feed_malformed`; what was known stays
   */
  learn(published: JsonValue | undefined): boolean {
    const { key, first, rotations } = withCode(
      () => readAnswer(published ?? null, ""),
      "feed_malformed",
      "What the authority says of its feed keys",
    );
    const chain = rotations.map(readFeedRotation);
    const before = this.#anchor;
    if (before === undefined) this.#begin([key, first, ...chain.map((each) => each.new)], chain);
    this.#follow(chain);
    if (key.kid !== this.#present?.kid && !this.#superseded.has(key.kid)) throw changed(this.#iss, key.kid);
    return this.#anchor?.key.kid !== before?.key.kid;
  }

  /** @throws AmeshError as `readFeedStatement`; `feed_key_changed` for what a key signed after its time */
  read(jws: string): FeedStatement {
    let until = Number.POSITIVE_INFINITY;
    const statement = readFeedStatement(jws, (kid) => {
      if (kid === this.#present?.kid) return this.#present;
      const old = this.#superseded.get(kid);
      until = old?.until ?? until;
      return old?.key;
    });
    if (statement.iat <= until) return statement;
    throw new AmeshError("feed_key_changed", `${this.#iss} signs its feed with a key that was rotated out.`);
  }

  /** A key is known by its thumbprint, wherever it is found. */
  #begin(published: readonly PublicJwk[], chain: readonly ReadFeedRotation[]): void {
    const key = this.#pinned === undefined ? published[0] : published.find(({ kid }) => kid === this.#pinned);
    if (key === undefined) throw changed(this.#iss, published[0]?.kid ?? "");
    this.#goTo({ key, ...this.#wayTo(key, published, chain) });
  }

  /** Each key of the way says by its own signature which one it follows. */
  #wayTo(
    { kid }: PublicJwk,
    published: readonly PublicJwk[],
    chain: readonly ReadFeedRotation[],
  ): Omit<FeedAnchor, "key"> {
    const way: ReadFeedRotation[] = [];
    for (const rotation of [...chain].reverse()) {
      if (rotation.iss !== this.#iss || rotation.new.kid !== (way[0]?.old ?? kid)) continue;
      const old = published.find((key) => key.kid === rotation.old);
      if (old === undefined || !rotation.isBy(importedFeedKey(old))) break;
      way.unshift(rotation);
    }
    return { seq: way.at(-1)?.seq ?? 0, through: way.map(({ old }) => old) };
  }

  #follow(chain: readonly ReadFeedRotation[]): void {
    for (const rotation of chain) {
      const old = this.#present as IssuerKey;
      const { seq = 0, through = [] } = this.#anchor ?? {};
      if (rotation.old !== old.kid || rotation.seq <= seq) continue;
      const follows = seq === 0 || rotation.seq === seq + 1;
      if (rotation.iss !== this.#iss || !follows || !rotation.isBy(old))
        throw changed(this.#iss, rotation.key.kid);
      this.#superseded.set(old.kid, { key: old, until: rotation.notBefore });
      this.#goTo({
        key: rotation.new,
        seq: rotation.seq,
        through: [...through, old.kid].slice(-mostRotations),
      });
    }
  }

  #goTo(anchor: FeedAnchor): void {
    this.#anchor = anchor;
    this.#present = importedFeedKey(anchor.key);
  }
}

const changed = (iss: string, kid: string): AmeshError =>
  new AmeshError(
    "feed_key_changed",
    `${iss} signs its feed with ${kid}, to which no rotation leads from the key that is pinned.`,
  );
