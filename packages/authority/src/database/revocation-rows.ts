import type { Revocation, RevocationSubject } from "@authmesh/oath";
import { type FeedChange, feedTokenId, type RevokedName, tokensFeed } from "@authmesh/oath/feed";
import type {
  Revocable,
  RevocationChange,
  RevocationPage,
  RevocationRemoval,
  StandingRevocation,
} from "../authority-store.js";
import type { StateChange } from "../state-event.js";
import { publishChanges } from "./feed-rows.js";
import {
  deleteSource,
  dropSources,
  type RevocationSource,
  readUnion,
  writeSource,
} from "./revocation-source-rows.js";
import type { Database, Work } from "./tables.js";

/** How long a removal is told, in seconds: who did not ask meanwhile begins anew (docs/protocol.md, section 8.7). */
const removalsKept = 86_400;

/** What is over is dropped so many at a time: whoever wants to revoke meanwhile waits. */
const mostDropped = 10_000;

/** Up to this generation removals were dropped. */
const floorSetting = "revocations_floor";

export async function readRevocations(
  database: Database,
  last: number,
  { from, after, limit }: { readonly from: number; readonly after: number; readonly limit: number },
): Promise<RevocationPage | undefined> {
  if (after > last || (from > 0 && from < (await floorOf(database)))) return undefined;
  const rows = await database
    .selectFrom("revocations")
    .selectAll()
    .where("generation", ">", after)
    .orderBy("generation")
    .limit(limit)
    .execute();
  const changes = rows.map(
    ({ by, expires_at, removed, ...row }): RevocationChange => ({
      ...row,
      by: by as RevocationSubject,
      removed: removed === 1,
      ...(expires_at === null ? {} : { expiresAt: expires_at }),
    }),
  );
  // What was written since counts, too: it may have taken the place of an entry up to the last one.
  return { last: Math.max(last, changes.at(-1)?.generation ?? 0), changes };
}

/**
 * What one source says; what others said stays. An entry never ends sooner for being written again.
 *
 * @returns what stands now
 */
export async function writeRevocation(
  work: Work,
  generation: number,
  source: RevocationSource,
  entry: Omit<Revocation, "issuer">,
): Promise<StandingRevocation> {
  await writeSource(work, source, entry);
  const standing = await publish(work, generation, entry);
  return { ...(standing ?? entry), generation };
}

/** Takes back what one source said; what others said stays. @returns whether there was such an entry */
export async function removeRevocation(
  work: Work,
  generation: number,
  source: RevocationSource,
  removal: RevocationRemoval,
): Promise<boolean> {
  if (!(await deleteSource(work, source, removal))) return false;
  await publish(work, generation, removal);
  return true;
}

/** Writes what is told of a name from now on, to the list and to the feed. */
async function publish(
  work: Work,
  generation: number,
  { by, value, at }: RevocationRemoval,
): Promise<Omit<Revocation, "issuer"> | undefined> {
  const union = await readUnion(work, { by, value }, at);
  const { reason = "", actor = "", at: since = at, expiresAt } = union ?? {};
  const changing = {
    reason,
    actor,
    at: since,
    expires_at: expiresAt ?? null,
    removed: union === undefined ? 1 : 0,
    generation,
  };
  await work
    .insertInto("revocations")
    .values({ by, value, ...changing })
    .onConflict((conflict) => conflict.columns(["by", "value"]).doUpdateSet(changing))
    .execute();
  const end = expiresAt === undefined ? {} : { expiresAt };
  const change: FeedChange =
    union === undefined
      ? goneFromFeed({ by, value })
      : ["token", feedTokenId({ by, value }), { at: since, ...end }];
  await publishChanges(work, tokensFeed, [change], at);
  return union;
}

/** What the audit is told of an entry that was written. */
export const toldOfRevocation = ({
  by,
  value,
  reason,
  actor,
  expiresAt,
}: StandingRevocation): StateChange => ({
  type: "dev.authmesh.token.revoked",
  subject: actor,
  data: { by, value, reason, ...(expiresAt === undefined ? {} : { expiresAt }) },
});

export const toldOfRemoval = ({ by, value, actor }: RevocationRemoval): StateChange => ({
  type: "dev.authmesh.revocation.removed",
  subject: actor,
  data: { by, value },
});

export async function findRevoked(
  database: Database,
  named: readonly Revocable[],
  now: number,
): Promise<Revocable | undefined> {
  const row = await database
    .selectFrom("revocations")
    .select(["by", "value"])
    .where("removed", "=", 0)
    .where((is) => is.or([is("expires_at", "is", null), is("expires_at", ">", now)]))
    .where((is) => is.or(named.map(({ by, value }) => is.and([is("by", "=", by), is("value", "=", value)]))))
    .limit(1)
    .executeTakeFirst();
  return row && { by: row.by as RevocationSubject, value: row.value };
}

export async function hasRevocationsToDrop(database: Database, now: number): Promise<boolean> {
  const row = await database
    .selectFrom("revocations")
    .select("generation")
    .where((is) =>
      is.or([
        is.and([is("removed", "=", 0), is("expires_at", "<", now)]),
        is.and([is("removed", "=", 1), is("at", "<", now - removalsKept)]),
      ]),
    )
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Who reads expires an entry by itself; a removal that is dropped must be known to have been there. */
export async function dropRevocations(work: Work, now: number): Promise<void> {
  const over = await work
    .deleteFrom("revocations")
    .where("removed", "=", 0)
    .where("expires_at", "<", now)
    .where(({ eb, selectFrom }) =>
      eb(
        "generation",
        "in",
        selectFrom("revocations")
          .select("generation")
          .where("removed", "=", 0)
          .where("expires_at", "<", now)
          .limit(mostDropped),
      ),
    )
    .returning(["by", "value"])
    .execute();
  await publishChanges(work, tokensFeed, (over as readonly RevokedName[]).map(goneFromFeed), now);
  await dropSources(work, now, mostDropped);
  const dropped = await work
    .deleteFrom("revocations")
    .where("removed", "=", 1)
    .where("at", "<", now - removalsKept)
    .returning("generation")
    .execute();
  if (dropped.length === 0) return;
  const value = String(Math.max(...dropped.map(({ generation }) => generation)));
  await work
    .insertInto("settings")
    .values({ name: floorSetting, value })
    .onConflict((conflict) => conflict.column("name").doUpdateSet({ value }))
    .execute();
}

const goneFromFeed = (name: RevokedName): FeedChange => ["token", feedTokenId(name), null];

async function floorOf(database: Database): Promise<number> {
  const row = await database
    .selectFrom("settings")
    .select("value")
    .where("name", "=", floorSetting)
    .executeTakeFirst();
  return Number(row?.value ?? 0);
}
