import { createHash } from "node:crypto";
import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { utf8 } from "@authmesh/core";
import type { FeedPosition, FeedSnapshot } from "@authmesh/oath/feed";
import type { StoredSnapshot } from "./feed-store.js";

/** A snapshot as it is sent. Only the packed form is kept: most readers ask for that one. */
export interface Snapshot extends FeedPosition {
  /** gzip */
  readonly packed: Uint8Array<ArrayBuffer>;
}

type Content = Omit<FeedSnapshot, "iss" | "feed" | "kind" | "iat">;

/** The statement and the lines that it tells of (docs/protocol.md, section 9.2). */
export async function buildSnapshot(
  { lines, entries, epoch, number, digest }: StoredSnapshot,
  sign: (content: Content) => Promise<string>,
): Promise<Snapshot> {
  const hash = createHash("sha256");
  for (const part of lines) hash.update(part);
  const statement = await sign({ epoch, number, digest, body: new Uint8Array(hash.digest()), entries });
  const whole = Buffer.concat([utf8(`${statement}\n`), ...lines]);
  return { epoch, number, packed: new Uint8Array(await promisify(gzip)(whole)) };
}
