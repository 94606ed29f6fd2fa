import type { Scopes } from "@authmesh/core";
import type { ExpressionBuilder } from "kysely";
import { type Attestation, asOf, type Enrollment, isRoot } from "../enrollment/enrollment.js";
import type { EnrollmentFilter } from "../enrollment/enrollment-store.js";
import type { Database, Tables, Work } from "./tables.js";

/** Parameters of one statement are limited. */
const mostInOneQuestion = 500;

/** Enrollments with what their use has left; `changed` stays with the store. */
const selectEnrollments = (database: Database | Work) =>
  database
    .selectFrom("enrollments")
    .leftJoin("enrollment_uses", (join) =>
      join
        .onRef("enrollment_uses.enrollment", "=", "enrollments.id")
        .onRef("enrollment_uses.device_id", "=", "enrollments.device_id"),
    )
    .selectAll("enrollments")
    .select(["enrollment_uses.counter", "enrollment_uses.used_at"]);

type Row = Awaited<ReturnType<ReturnType<typeof selectEnrollments>["executeTakeFirstOrThrow"]>>;

const ifThere = <K extends string, V>(name: K, value: V | null): { readonly [N in K]?: V } =>
  value === null ? {} : ({ [name]: value } as { readonly [N in K]: V });

const fromRow = (row: Row): Enrollment => ({
  id: row.id,
  account: row.account,
  appName: row.app_name,
  deviceName: row.device_name,
  deviceId: row.device_id,
  publicKey: row.public_key,
  status: row.status,
  scopes: JSON.parse(row.scopes) as Scopes,
  requested: {
    scopes: JSON.parse(row.requested_scopes) as Scopes,
    ...ifThere("lifetime", row.requested_lifetime),
  },
  requestedAt: row.requested_at,
  address: row.address,
  requestDigest: row.request_digest,
  s: row.s,
  ...ifThere("expiresAt", row.expires_at),
  ...ifThere("decidedAt", row.decided_at),
  ...ifThere("decidedBy", row.decided_by),
  ...ifThere("approvedBy", row.approved_by),
  ...ifThere("reason", row.reason),
  ...ifThere("lastUsedAt", row.used_at),
  counter: row.counter ?? 0,
  attestation: JSON.parse(row.attestation) as Attestation,
});

/** What a decision can change of a row. */
const changing = (enrollment: Enrollment) => ({
  device_id: enrollment.deviceId,
  public_key: enrollment.publicKey,
  status: enrollment.status,
  scopes: JSON.stringify(enrollment.scopes),
  expires_at: enrollment.expiresAt ?? null,
  decided_at: enrollment.decidedAt ?? null,
  decided_by: enrollment.decidedBy ?? null,
  approved_by: enrollment.approvedBy ?? null,
  reason: enrollment.reason ?? null,
  attestation: JSON.stringify(enrollment.attestation),
  is_root: Number(isRoot(enrollment)),
});

export async function insertEnrollment(work: Work, enrollment: Enrollment): Promise<void> {
  const row: Tables["enrollments"] = {
    id: enrollment.id,
    account: enrollment.account,
    app_name: enrollment.appName,
    device_name: enrollment.deviceName,
    requested_scopes: JSON.stringify(enrollment.requested.scopes),
    requested_lifetime: enrollment.requested.lifetime ?? null,
    requested_at: enrollment.requestedAt,
    address: enrollment.address,
    request_digest: enrollment.requestDigest,
    s: enrollment.s,
    changed: 0,
    ...changing(enrollment),
  };
  await work.insertInto("enrollments").values(row).execute();
  await insertUse(work, enrollment);
}

async function insertUse(work: Work, { id, deviceId, counter, lastUsedAt }: Enrollment): Promise<void> {
  const row = { enrollment: id, device_id: deviceId, counter, used_at: lastUsedAt ?? null };
  await work.insertInto("enrollment_uses").values(row).execute();
}

/** Its uses stay as they are, unless it has another key, or its counter begins anew. */
export async function updateEnrollment(work: Work, before: Enrollment, after: Enrollment): Promise<void> {
  await work.updateTable("enrollments").set(changing(after)).where("id", "=", after.id).execute();
  if (before.deviceId === after.deviceId && before.counter === after.counter) return;
  await work.deleteFrom("enrollment_uses").where("enrollment", "=", after.id).execute();
  await insertUse(work, after);
}

/** What it approved is from now on of whoever approved it, so that no cascade ends where it was. */
export async function deleteEnrollment(work: Work, { id, approvedBy }: Enrollment): Promise<void> {
  await work
    .updateTable("enrollments")
    .set({ approved_by: approvedBy ?? null })
    .where("approved_by", "=", id)
    .execute();
  await work.deleteFrom("enrollments").where("id", "=", id).execute();
  await work.deleteFrom("enrollment_uses").where("enrollment", "=", id).execute();
}

export async function readEnrollment(
  database: Database | Work,
  account: string,
  id: string,
): Promise<Enrollment | undefined> {
  const row = await selectEnrollments(database)
    .where("id", "=", id)
    .where("account", "=", account)
    .executeTakeFirst();
  return row && fromRow(row);
}

/** The one that has the key, or the last that had it. */
export async function readByDevice(database: Database, deviceId: string): Promise<Enrollment | undefined> {
  const row = await selectEnrollments(database)
    .leftJoin("enrollment_keys", (join) =>
      join
        .onRef("enrollment_keys.enrollment", "=", "enrollments.id")
        .onRef("enrollment_keys.device_id", "=", "enrollments.device_id"),
    )
    .where("enrollments.device_id", "=", deviceId)
    .orderBy("enrollment_keys.enrollment", (order) => order.desc().nullsLast())
    .orderBy("enrollments.requested_at", "desc")
    .orderBy("enrollments.id", "desc")
    .executeTakeFirst();
  return row && fromRow(row);
}

export async function readByRequest(
  work: Work,
  account: string,
  requestDigest: string,
): Promise<Enrollment | undefined> {
  const row = await selectEnrollments(work)
    .where("request_digest", "=", requestDigest)
    .where("account", "=", account)
    .executeTakeFirst();
  return row && fromRow(row);
}

export async function readNamesakes(
  work: Database | Work,
  { id, account, appName, deviceName }: Enrollment,
): Promise<readonly Enrollment[]> {
  const rows = await selectEnrollments(work)
    .where("account", "=", account)
    .where("app_name", "=", appName)
    .where("device_name", "=", deviceName)
    .where("id", "<>", id)
    .orderBy("id")
    .execute();
  return rows.map(fromRow);
}

export async function readApprovedBy(
  work: Work,
  account: string,
  ids: readonly string[],
): Promise<readonly Enrollment[]> {
  const found: Enrollment[] = [];
  for (let from = 0; from < ids.length; from += mostInOneQuestion) {
    const rows = await selectEnrollments(work)
      .where("approved_by", "in", ids.slice(from, from + mostInOneQuestion))
      .where("account", "=", account)
      .orderBy("id")
      .execute();
    found.push(...rows.map(fromRow));
  }
  return found;
}

export async function readRoots(work: Work, account: string): Promise<readonly string[]> {
  const rows = await work
    .selectFrom("enrollments")
    .select("id")
    .where("account", "=", account)
    .where("status", "=", "approved")
    .where("expires_at", "is", null)
    .where("is_root", "=", 1)
    .execute();
  return rows.map(({ id }) => id);
}

export async function countPending(work: Work, account: string, now: number): Promise<number> {
  const { pending } = await work
    .selectFrom("enrollments")
    .select((row) => row.fn.countAll().as("pending"))
    .where("account", "=", account)
    .where("status", "=", "pending")
    .where("expires_at", ">", now)
    .executeTakeFirstOrThrow();
  return Number(pending);
}

/** The accounts of so many enrollments that ended by `now` (Unix seconds) and are not written as such. */
export async function accountsWithLapsed(
  database: Database,
  now: number,
  limit: number,
): Promise<readonly string[]> {
  const rows = await database
    .selectFrom("enrollments")
    .select("account")
    .where("status", "in", ["pending", "approved"])
    .where("expires_at", "<=", now)
    .limit(limit)
    .execute();
  return [...new Set(rows.map(({ account }) => account))];
}

/** Some of those of an account, in no order: to sort them would be to read all. */
export async function readLapsed(
  database: Database | Work,
  account: string,
  now: number,
  limit: number,
): Promise<readonly Enrollment[]> {
  const rows = await selectEnrollments(database)
    .where("account", "=", account)
    .where("status", "in", ["pending", "approved"])
    .where("expires_at", "<=", now)
    .limit(limit)
    .execute();
  return rows.map(fromRow);
}

export async function listEnrollments(
  database: Database,
  account: string,
  filter: EnrollmentFilter,
  now: number,
): Promise<readonly Enrollment[]> {
  const { status, appName, deviceName, usedBefore, expiresBefore, limit, after } = filter;
  let rows = selectEnrollments(database).where("account", "=", account);
  if (status === "expired")
    rows = rows.where((is) =>
      is.or([
        is("status", "=", "expired"),
        is.and([is("status", "in", ["pending", "approved"]), is("expires_at", "<=", now)]),
      ]),
    );
  else if (status !== undefined) rows = rows.where("status", "=", status);
  if (
    status === "pending" ||
    status === "approved" ||
    usedBefore !== undefined ||
    expiresBefore !== undefined
  )
    rows = rows.where((is) => is.or([is("expires_at", "is", null), is("expires_at", ">", now)]));
  if (appName !== undefined) rows = rows.where("app_name", "=", appName);
  if (deviceName !== undefined) rows = rows.where("device_name", "=", deviceName);
  if (usedBefore !== undefined)
    rows = rows
      .where("status", "=", "approved")
      .where((is) => is(is.fn.coalesce("used_at", "decided_at", "requested_at"), "<", usedBefore));
  if (expiresBefore !== undefined)
    rows = rows.where("status", "=", "approved").where("expires_at", "<", expiresBefore);
  if (after !== undefined) rows = rows.where("id", ">", after);
  const found = await rows.orderBy("id").limit(limit).execute();
  return found.map((row) => asOf(fromRow(row), now));
}

type Filter = ExpressionBuilder<Tables, "enrollments">;

const isLive = (now: number) => (is: Filter) =>
  is.and([is("status", "=", "approved"), is.or([is("expires_at", "is", null), is("expires_at", ">", now)])]);

export async function readLive(database: Database, now: number): Promise<readonly Enrollment[]> {
  return (await selectEnrollments(database).where(isLive(now)).execute()).map(fromRow);
}

export async function countLive(database: Database, now: number): Promise<number> {
  const { live } = await database
    .selectFrom("enrollments")
    .select((row) => row.fn.countAll().as("live"))
    .where(isLive(now))
    .executeTakeFirstOrThrow();
  return Number(live);
}

/** Those that were written after a generation, in the order of their last change. */
export async function readChanged(
  database: Database,
  generation: number,
): Promise<readonly { readonly changed: number; readonly enrollment: Enrollment }[]> {
  const rows = await selectEnrollments(database)
    .where("changed", ">", generation)
    .orderBy("changed")
    .orderBy("id")
    .execute();
  return rows.map((row) => ({ changed: row.changed, enrollment: fromRow(row) }));
}

/** Those of `ids` were written by this generation. */
export async function stampEnrollments(
  work: Work,
  ids: readonly string[],
  generation: number,
): Promise<void> {
  for (let from = 0; from < ids.length; from += mostInOneQuestion)
    await work
      .updateTable("enrollments")
      .set({ changed: generation })
      .where("id", "in", ids.slice(from, from + mostInOneQuestion))
      .execute();
}

/** @returns false where the key is of another enrollment, or may never be of one again */
export async function claimKey(work: Work, deviceId: string, enrollment: string): Promise<boolean> {
  const row = await work
    .insertInto("enrollment_keys")
    .values({ device_id: deviceId, enrollment, is_spent: 0 })
    .onConflict((conflict) => conflict.column("device_id").doNothing())
    .returning("enrollment")
    .executeTakeFirst();
  return row !== undefined;
}

export async function spendKey(work: Work, deviceId: string): Promise<void> {
  await work.updateTable("enrollment_keys").set({ is_spent: 1 }).where("device_id", "=", deviceId).execute();
}

export async function releaseKey(work: Work, { id, deviceId }: Enrollment): Promise<void> {
  await work
    .deleteFrom("enrollment_keys")
    .where("device_id", "=", deviceId)
    .where("enrollment", "=", id)
    .where("is_spent", "=", 0)
    .execute();
}

/** @returns false where it is not higher than the last one */
export async function raiseCounter(
  database: Database,
  { id, deviceId }: Enrollment,
  counter: number,
): Promise<boolean> {
  const { numUpdatedRows } = await database
    .updateTable("enrollment_uses")
    .set({ counter })
    .where("enrollment", "=", id)
    .where("device_id", "=", deviceId)
    .where("counter", "<", counter)
    .executeTakeFirst();
  return numUpdatedRows > 0n;
}

/** Each by itself, so that nobody waits for two. */
export async function noteUses(database: Database, uses: ReadonlyMap<string, number>): Promise<void> {
  for (const [id, time] of uses)
    await database
      .updateTable("enrollment_uses")
      .set({ used_at: time })
      .where("enrollment", "=", id)
      .where((is) => is.or([is("used_at", "is", null), is("used_at", "<", time)]))
      .execute();
}
