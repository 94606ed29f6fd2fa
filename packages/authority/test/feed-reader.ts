import { createHash } from "node:crypto";
import type { JsonValue } from "@authmesh/core";
import { canonicalJson, parseStrictJson } from "@authmesh/core";
import { type IssuerKey, importIssuerKey } from "@authmesh/oath";
import {
  type FeedChange,
  type FeedDelta,
  type FeedHead,
  type FeedPosition,
  type FeedSnapshot,
  type FeedStatement,
  nextFeedDigest,
  readFeedStatement,
} from "@authmesh/oath/feed";
import { expect } from "vitest";
import type { Device } from "./running-authority.js";

/** A state that is made of what an authority tells. */
export class CopiedState {
  readonly entries = new Map<string, JsonValue>();
  epoch = 0;
  number = 0;
  digest: Uint8Array = new Uint8Array();

  get position(): FeedPosition {
    return { epoch: this.epoch, number: this.number };
  }

  get lines(): readonly string[] {
    return [...this.entries].map(([key, value]) => `${key} ${canonicalJson(value)}`).sort();
  }

  take({ statement, changes }: TakenSnapshot): this {
    this.entries.clear();
    this.#write(changes);
    this.epoch = statement.epoch;
    this.number = statement.number;
    this.digest = statement.digest;
    return this;
  }

  apply(delta: FeedDelta): this {
    expect(delta).toMatchObject({ epoch: this.epoch, number: this.number + 1, before: this.digest });
    this.#write(delta.changes);
    this.number = delta.number;
    this.digest = nextFeedDigest(delta.before, delta.changes);
    return this;
  }

  #write(changes: readonly FeedChange[]): void {
    for (const [kind, id, value] of changes)
      if (value === null) this.entries.delete(`${kind} ${id}`);
      else this.entries.set(`${kind} ${id}`, value);
  }
}

interface TakenSnapshot {
  readonly statement: FeedSnapshot;
  readonly changes: readonly FeedChange[];
}

/** Reads the feeds of an authority as a device, and believes the key that it publishes. */
export class FeedReader {
  readonly #url: string;
  readonly #fetch: typeof fetch;
  readonly #keys = new Map<string, IssuerKey>();

  private constructor(url: string, device: Pick<Device, "fetch">) {
    this.#url = url;
    this.#fetch = device.fetch;
  }

  static async open(url: string, device: Pick<Device, "fetch"> = { fetch }): Promise<FeedReader> {
    const reader = new FeedReader(url, device);
    await reader.learnKey();
    return reader;
  }

  async learnKey(): Promise<string> {
    const { key } = await (await fetch(`${this.#url}/v1/feeds/key`)).json();
    this.#keys.set(key.kid, importIssuerKey(key).key as IssuerKey);
    return key.kid;
  }

  get(feed: string, what: string, headers: Record<string, string> = {}): Promise<Response> {
    return this.#fetch(`${this.#url}/v1/feeds/${feed}/${what}`, { headers });
  }

  read = (jws: string): FeedStatement => readFeedStatement(jws, (kid) => this.#keys.get(kid));

  async head(feed: string): Promise<FeedHead> {
    return this.read((await (await this.get(feed, "head")).json()).head) as FeedHead;
  }

  async snapshot(feed: string): Promise<TakenSnapshot> {
    const answer = await this.get(feed, "snapshot");
    expect(answer.status).toBe(200);
    const [jws = "", ...lines] = (await answer.text()).split("\n");
    expect(lines.pop()).toBe("");
    const statement = this.read(jws) as FeedSnapshot;
    const body = lines.map((line) => `${line}\n`).join("");
    expect(statement.body).toEqual(new Uint8Array(createHash("sha256").update(body).digest()));
    expect(statement.entries).toBe(lines.length);
    const changes = lines.map((line) => parseStrictJson(line).value as unknown as FeedChange);
    expect(lines).toEqual(changes.map((change) => canonicalJson(change as unknown as JsonValue)));
    const order = changes.map(([kind, id]) => `${kind}\u0000${id}`);
    expect(order).toEqual([...order].sort());
    return { statement, changes };
  }

  async deltas(feed: string, { epoch, number }: FeedPosition): Promise<readonly FeedDelta[]> {
    const answer = await this.get(feed, `deltas?after=${epoch}.${number}`);
    expect(answer.status).toBe(200);
    const { deltas } = await answer.json();
    return deltas.map((jws: string) => this.read(jws) as FeedDelta);
  }

  /** @param from as `Last-Event-ID` */
  async events(feed: string, from?: FeedPosition): Promise<FeedEvents> {
    const id = from && `${from.epoch}.${from.number}`;
    const answer = await this.get(feed, "events", id === undefined ? {} : { "Last-Event-ID": id });
    expect([answer.status, answer.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
    return new FeedEvents(answer, this.read);
  }
}

export type FeedEvent = { readonly event: string; readonly id: string | undefined; readonly data: string };

export class FeedEvents {
  readonly #events: AsyncGenerator<FeedEvent>;
  readonly #read: (jws: string) => FeedStatement;

  constructor(answer: Response, read: (jws: string) => FeedStatement) {
    this.#events = eventsOf(answer);
    this.#read = read;
  }

  /** Undefined where the stream has ended. */
  async next(): Promise<FeedEvent | undefined> {
    return (await this.#events.next()).value;
  }

  /** Passes over what is of another kind. */
  async nextOf<Kind extends FeedStatement["kind"]>(
    kind: Kind,
  ): Promise<Extract<FeedStatement, { readonly kind: Kind }>> {
    for (;;) {
      const event = await this.next();
      if (event === undefined) throw new TypeError("The stream has ended.");
      if (event.event !== kind) continue;
      const statement = this.#read(event.data) as Extract<FeedStatement, { readonly kind: Kind }>;
      expect(event.id).toBe(`${statement.epoch}.${statement.number}`);
      return statement;
    }
  }

  async close(): Promise<void> {
    await this.#events.return(undefined);
  }
}

async function* eventsOf(answer: Response): AsyncGenerator<FeedEvent> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of answer.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const isSignOfLife = text.startsWith(":");
      const fields = Object.fromEntries(
        text
          .slice(0, end)
          .split("\n")
          .map((line) => line.split(/: (.*)/s).slice(0, 2)),
      );
      text = text.slice(end + 2);
      if (!isSignOfLife) yield { event: fields.event, id: fields.id, data: fields.data };
    }
  }
}
