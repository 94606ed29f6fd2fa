import type { PublicJwk } from "@authmesh/oath";
import type { FeedKey } from "../feed/feed-key.js";
import type { Database, Work } from "./tables.js";

export async function readFeedKeys(database: Database | Work): Promise<readonly FeedKey[]> {
  const rows = await database.selectFrom("feed_keys").selectAll().orderBy("number").execute();
  return rows.map(({ public_jwk, sealed, rotation }) => ({
    publicJwk: JSON.parse(public_jwk) as PublicJwk,
    ...(sealed === null ? {} : { sealed }),
    ...(rotation === null ? {} : { rotation }),
  }));
}

/** The one before signs no more, and is kept no longer. */
export async function writeFeedKey(
  work: Work,
  number: number,
  { publicJwk, sealed, rotation }: FeedKey,
): Promise<void> {
  await work.updateTable("feed_keys").set({ sealed: null }).where("number", "<", number).execute();
  await work
    .insertInto("feed_keys")
    .values({
      number,
      public_jwk: JSON.stringify(publicJwk),
      sealed: sealed ?? null,
      rotation: rotation ?? null,
    })
    .execute();
}
