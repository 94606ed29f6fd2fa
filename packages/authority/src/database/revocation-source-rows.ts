import type { Revocation, RevocationSubject } from "@authmesh/oath";
import type { Revocable } from "../authority-store.js";
import type { Database, Tables, Work } from "./tables.js";

/** Who puts entries on the list of revocations, each its own: an operator's device, or the revocation of an enrollment. */
export type RevocationSource = Tables["revocation_sources"]["source"];

type Entry = Omit<Revocation, "issuer">;

/** What one source says never ends sooner for being said again. */
export async function writeSource(work: Work, source: RevocationSource, entry: Entry): Promise<void> {
  const { by, value, reason, actor, at, expiresAt = null } = entry;
  const standing = await findSource(work, source, entry);
  const end = standing === undefined ? expiresAt : later(expiresAt, standing.expiresAt ?? null);
  const changing = { reason, actor, at, expires_at: end };
  await work
    .insertInto("revocation_sources")
    .values({ by, value, source, ...changing })
    .onConflict((conflict) => conflict.columns(["by", "value", "source"]).doUpdateSet(changing))
    .execute();
}

/** @returns whether it said something */
export async function deleteSource(
  work: Work,
  source: RevocationSource,
  { by, value }: Revocable,
): Promise<boolean> {
  const { numDeletedRows } = await work
    .deleteFrom("revocation_sources")
    .where("by", "=", by)
    .where("value", "=", value)
    .where("source", "=", source)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

export async function findSource(
  database: Database,
  source: RevocationSource,
  { by, value }: Revocable,
): Promise<Entry | undefined> {
  const row = await database
    .selectFrom("revocation_sources")
    .selectAll()
    .where("by", "=", by)
    .where("value", "=", value)
    .where("source", "=", source)
    .executeTakeFirst();
  return row && fromRow(row);
}

/**
 * What all sources together say of one name, until the last of them ends; in an operator's words where there are such.
 *
 * @param now Unix seconds
 * @returns undefined where none says anything any more
 */
export async function readUnion(
  work: Work,
  { by, value }: Revocable,
  now: number,
): Promise<Entry | undefined> {
  const rows = await work
    .selectFrom("revocation_sources")
    .selectAll()
    .where("by", "=", by)
    .where("value", "=", value)
    .where((is) => is.or([is("expires_at", "is", null), is("expires_at", ">", now)]))
    .orderBy("source", "desc")
    .execute();
  const [first] = rows;
  if (first === undefined) return undefined;
  return fromRow({ ...first, expires_at: rows.map((row) => row.expires_at).reduce(later) });
}

/** Drops so many at most that are over. */
export async function dropSources(work: Work, now: number, most: number): Promise<void> {
  await work
    .deleteFrom("revocation_sources")
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple("by", "value", "source"),
        "in",
        selectFrom("revocation_sources")
          .select(["by", "value", "source"])
          .where("expires_at", "<", now)
          .limit(most)
          .$asTuple("by", "value", "source"),
      ),
    )
    .execute();
}

/** Of two ends, where null is none. */
const later = (one: number | null, other: number | null): number | null =>
  one === null || other === null ? null : Math.max(one, other);

const fromRow = ({ by, source: _, expires_at, ...row }: Tables["revocation_sources"]): Entry => ({
  ...row,
  by: by as RevocationSubject,
  ...(expires_at === null ? {} : { expiresAt: expires_at }),
});
