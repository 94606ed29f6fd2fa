import { PrivateKey, type Random, randomBytes, type Scopes } from "@authmesh/core";
import { accountSecretKey, type EnrollmentRequest, signableClaimOf } from "@authmesh/core/enrollment";
import { onTestFinished } from "vitest";
import { type DatabasePlace, openDatabase } from "../src/database/open-database.js";
import { SqlEnrollmentStore } from "../src/database/sql-enrollment-store.js";
import { SqlStore } from "../src/database/sql-store.js";
import type { Database } from "../src/database/tables.js";
import { createEnrollments } from "../src/enrollment/create-enrollments.js";
import type { Enrollment } from "../src/enrollment/enrollment.js";
import type { Actor, ClaimOfKey, Enrollments } from "../src/enrollment/enrollments.js";
import type { Ended } from "./stores.js";

const origin = "https://issuer.example.com";

export class Clock {
  /** Unix seconds. */
  time = 1_800_000_000;
  readonly now = () => this.time * 1000;
}

/** One replica of an authority's enrollments. */
export interface Replica {
  readonly enrollments: Enrollments;
  readonly store: SqlEnrollmentStore;
  readonly state: SqlStore;
  readonly database: Database;
}

const passcodeKey = randomBytes(32);

export async function openReplica(
  place: DatabasePlace,
  { now }: Clock,
  ended: Ended = onTestFinished,
  random?: Random,
): Promise<Replica> {
  const database = await openDatabase(place);
  const store = new SqlEnrollmentStore(database, now);
  const state = new SqlStore(database, now);
  ended(() => state.close());
  const enrollments = createEnrollments({ store, passcodeKey, now, random });
  await enrollments.refresh();
  return { enrollments, store, state, database };
}

export const claimOf = (
  account: string,
  { key = PrivateKey.generate(), deviceName = "master", recovery = [] as string[] } = {},
): ClaimOfKey => ({
  origin,
  account,
  challenge: "c".repeat(64),
  publicKey: key.publicKey,
  details: { appName: "admin", deviceName, recovery },
  address: "192.0.2.1",
});

/** What the key of the account's secret signs. */
export function proofBy(secret: string, { publicKey, ...claim }: ClaimOfKey): Uint8Array {
  const signed = signableClaimOf("onboard", { ...claim, publicKey: publicKey.bytes });
  return accountSecretKey(secret, claim.account).sign(signed);
}

/** An account, and the master enrollment that it begins with. */
export async function onboarded(enrollments: Enrollments, account = "@acme"): Promise<Enrollment> {
  const created = await enrollments.createAccount(account);
  if (created === undefined) throw new TypeError("There is such an account.");
  const claim = claimOf(account);
  return enrollments.onboard(claim, proofBy(created.secret, claim));
}

export interface Wish {
  readonly key?: PrivateKey;
  readonly account?: string;
  readonly appName?: string;
  readonly deviceName?: string;
  readonly scopes?: Scopes;
  readonly lifetime?: number;
}

let drawn = 0;

export function requestFor(wish: Wish, { time }: Clock): EnrollmentRequest {
  const {
    key = PrivateKey.generate(),
    account = "@acme",
    appName = "orders",
    scopes = { orders: "rw" },
  } = wish;
  return {
    account,
    appName,
    deviceName: wish.deviceName ?? `box-${drawn++}`,
    publicKey: key.publicKey.base64,
    scopes,
    ...(wish.lifetime === undefined ? {} : { lifetime: wish.lifetime }),
    origin,
    issuedAt: time,
    random: Buffer.from(randomBytes(16)).toString("base64url"),
  };
}

export const from = { address: "192.0.2.7", attestation: { status: "none" } } as const;

/** A request with a passcode of `by`. */
export async function requested(
  enrollments: Enrollments,
  by: Actor,
  wish: Wish,
  clock: Clock,
): Promise<Enrollment> {
  const { passcode } = await enrollments.createPasscode(by);
  return enrollments.request(requestFor({ account: by.account, ...wish }, clock), passcode, from);
}

export async function approved(
  enrollments: Enrollments,
  by: Actor,
  wish: Wish,
  clock: Clock,
): Promise<Enrollment> {
  const { id } = await requested(enrollments, by, wish, clock);
  const [enrollment] = await enrollments.decide(by, { id, type: "approve" });
  if (enrollment === undefined) throw new TypeError("Nothing was approved.");
  return enrollment;
}

/** What a feed's deltas add up to. */
export async function feedState(database: Database, feed: string): Promise<ReadonlyMap<string, unknown>> {
  const deltas = await database
    .selectFrom("feed_deltas")
    .select("changes")
    .where("feed", "=", feed)
    .orderBy("number")
    .execute();
  const state = new Map<string, unknown>();
  for (const { changes } of deltas)
    for (const [kind, id, value] of JSON.parse(changes) as [string, string, unknown][])
      if (value === null) state.delete(`${kind} ${id}`);
      else state.set(`${kind} ${id}`, value);
  return state;
}
