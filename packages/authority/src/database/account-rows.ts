import type { Scopes } from "@authmesh/core";
import type { Account, Invitation } from "../enrollment/enrollment-store.js";
import type { Database, Tables, Work } from "./tables.js";

const accountFrom = (row: Tables["accounts"]): Account => ({
  name: row.name,
  createdAt: row.created_at,
  ...(row.email === null ? {} : { email: row.email }),
  ...(row.secret_key === null ? {} : { secretKey: row.secret_key }),
  ...(row.secret_expires_at === null ? {} : { secretExpiresAt: row.secret_expires_at }),
  ...(row.onboarded_by === null ? {} : { onboardedBy: row.onboarded_by }),
});

const accountRow = (account: Account): Tables["accounts"] => ({
  name: account.name,
  created_at: account.createdAt,
  email: account.email ?? null,
  secret_key: account.secretKey ?? null,
  secret_expires_at: account.secretExpiresAt ?? null,
  onboarded_by: account.onboardedBy ?? null,
});

/** @returns whether the name was free */
export async function insertAccount(work: Work, account: Account): Promise<boolean> {
  const row = await work
    .insertInto("accounts")
    .values(accountRow(account))
    .onConflict((conflict) => conflict.column("name").doNothing())
    .returning("name")
    .executeTakeFirst();
  return row !== undefined;
}

/** Holds the account until the transaction ends: setting a column to itself does so on every database. */
export async function holdAccount(work: Work, name: string): Promise<Account | undefined> {
  const row = await work
    .updateTable("accounts")
    .set({ name })
    .where("name", "=", name)
    .returningAll()
    .executeTakeFirst();
  return row && accountFrom(row);
}

export async function updateAccount(work: Work, account: Account): Promise<void> {
  await work.updateTable("accounts").set(accountRow(account)).where("name", "=", account.name).execute();
}

export async function readAccount(database: Database, name: string): Promise<Account | undefined> {
  const row = await database.selectFrom("accounts").selectAll().where("name", "=", name).executeTakeFirst();
  return row && accountFrom(row);
}

export async function readAccounts(database: Database): Promise<readonly Account[]> {
  return (await database.selectFrom("accounts").selectAll().orderBy("name").execute()).map(accountFrom);
}

export async function replaceRecovery(
  work: Work,
  account: string,
  digests: readonly string[],
): Promise<void> {
  await work.deleteFrom("recovery_codes").where("account", "=", account).execute();
  const rows = [...new Set(digests)].map((digest) => ({ account, digest }));
  if (rows.length > 0) await work.insertInto("recovery_codes").values(rows).execute();
}

/** @returns whether it was there */
export async function burnRecovery(work: Work, account: string, digest: string): Promise<boolean> {
  const { numDeletedRows } = await work
    .deleteFrom("recovery_codes")
    .where("account", "=", account)
    .where("digest", "=", digest)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

const invitationFrom = (row: Tables["invitations"]): Invitation => ({
  id: row.id,
  account: row.account,
  digest: row.digest,
  kind: row.kind,
  createdBy: row.created_by,
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  usesLeft: row.uses_left,
  ...(row.scopes === null ? {} : { scopes: JSON.parse(row.scopes) as Scopes }),
  autoApprove: row.auto_approve === 1,
});

export async function findInvitation(
  work: Work,
  account: string,
  digest: string,
): Promise<Invitation | undefined> {
  const row = await work
    .selectFrom("invitations")
    .selectAll()
    .where("account", "=", account)
    .where("digest", "=", digest)
    .executeTakeFirst();
  return row && invitationFrom(row);
}

/** One with the same secret gives way: a passcode is short enough to be drawn again. */
export async function saveInvitation(work: Work, invitation: Invitation): Promise<void> {
  const { id, account, digest } = invitation;
  const row: Tables["invitations"] = {
    id,
    account,
    digest,
    kind: invitation.kind,
    created_by: invitation.createdBy,
    created_at: invitation.createdAt,
    expires_at: invitation.expiresAt,
    uses_left: invitation.usesLeft,
    scopes: invitation.scopes === undefined ? null : JSON.stringify(invitation.scopes),
    auto_approve: Number(invitation.autoApprove),
  };
  await work
    .insertInto("invitations")
    .values(row)
    .onConflict((conflict) => conflict.columns(["account", "digest"]).doUpdateSet(row))
    .execute();
}

export async function deleteInvitation(work: Work, account: string, id: string): Promise<boolean> {
  const { numDeletedRows } = await work
    .deleteFrom("invitations")
    .where("id", "=", id)
    .where("account", "=", account)
    .executeTakeFirst();
  return numDeletedRows > 0n;
}

/** Those that are good at `now`, in Unix seconds. */
export async function readInvitations(
  database: Database | Work,
  account: string,
  now: number,
): Promise<readonly Invitation[]> {
  const rows = await database
    .selectFrom("invitations")
    .selectAll()
    .where("account", "=", account)
    .where("expires_at", ">", now)
    .orderBy("created_at")
    .orderBy("id")
    .execute();
  return rows.map(invitationFrom);
}
