import { existsSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { AmeshError, utf8 } from "@authmesh/core";
import {
  type CreatedIdentity,
  createIdentity,
  type Environment,
  type OpenIdentity,
  openIdentity,
  type PromptSecret,
  secretFrom,
} from "@authmesh/keystore";
import type { RegistrationStore } from "./accounts/registration-store.js";
import type { AuthorityStore } from "./authority-store.js";
import { ChangeListener } from "./database/change-listener.js";
import { type DatabasePlace, openDatabase } from "./database/open-database.js";
import { SqlRegistrationStore } from "./database/registration-rows.js";
import { SqlEnrollmentStore } from "./database/sql-enrollment-store.js";
import { SqlFeedStore } from "./database/sql-feed-store.js";
import { SqlStore } from "./database/sql-store.js";
import { SharedDevices } from "./devices/shared-devices.js";
import { createEnrollments } from "./enrollment/create-enrollments.js";
import type { EnrollmentStore } from "./enrollment/enrollment-store.js";
import type { Enrollments } from "./enrollment/enrollments.js";
import { FeedKeys } from "./feed/feed-key.js";
import type { FeedStore } from "./feed/feed-store.js";
import { KeySealing } from "./keys/key-sealing.js";

export interface StateOptions {
  /** Folder of the authority: its identity, and its database where DATABASE_URL names no other. */
  readonly dir: string;
  /** Default `process.env`: DATABASE_URL, AMESH_AUTHORITY_SECRET, and the _FILE of either. */
  readonly env?: Environment | undefined;
  /** Makes what is not there yet. Default false. */
  readonly create?: boolean | undefined;
  /** Name of the key store for an identity that is made. Default: the best one found. */
  readonly backend?: string | undefined;
  readonly promptSecret?: PromptSecret | undefined;
  /** See `AuthorityOptions`. */
  readonly attestation?: { readonly require?: boolean | undefined } | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** An authority's state, open. */
export interface AuthorityState {
  readonly dir: string;
  readonly identity: OpenIdentity;
  readonly store: AuthorityStore;
  readonly devices: SharedDevices;
  readonly sealing: KeySealing;
  readonly enrollmentStore: EnrollmentStore;
  readonly enrollments: Enrollments;
  readonly registrations: RegistrationStore;
  readonly feeds: FeedStore;
  /** The key of the trust feeds, and its thumbprint, which verifiers pin. */
  readonly feedKeys: FeedKeys;
  /** What was made now, where there was nothing. */
  readonly created?: CreatedIdentity | undefined;
  close(): Promise<void>;
}

/** Where the secret that replicas share comes from. */
export const secretSource = {
  variable: "AMESH_AUTHORITY_SECRET",
  fileVariable: "AMESH_AUTHORITY_SECRET_FILE",
  missing: "invalid_option",
} as const;

/** Where a PostgreSQL is. The URL may hold a password. */
const databaseSource = {
  variable: "DATABASE_URL",
  fileVariable: "DATABASE_URL_FILE",
  missing: "invalid_option",
} as const;

const shortestSecret = 43;

/**
 * Opens the state in a folder (docs/protocol.md, section 8.9).
 *
 * @throws AmeshError `authority_not_found`, `database_unavailable`, `key_mismatch` when the signing keys were sealed
 * with another secret, and what keeps the identity from being opened or made
 */
export async function openAuthorityState(options: StateOptions): Promise<AuthorityState> {
  const { dir, env = process.env, create = false, backend, promptSecret, now } = options;
  const exists = existsSync(join(dir, "identity.json"));
  if (!exists && !create) throw new AmeshError("authority_not_found", `There is no authority in ${dir}.`);
  const created = exists
    ? undefined
    : await createIdentity({ dir, env, backend, friendlyName: `authority on ${hostname()}` });
  const identity = await openIdentity({ dir, env, promptSecret });
  const sealing = new KeySealing(await sealingSecret(identity, env));
  const place = placeOf(dir, env);
  const changes = new ChangeListener(place);
  const database = await openDatabase(place, changes.committed);
  const store = new SqlStore(database, now);
  const feeds = new SqlFeedStore(database, changes, now);
  const feedKeys = new FeedKeys({ store: feeds, sealing, now: now ?? Date.now });
  const close = async () => {
    await feeds.close();
    await store.close();
  };
  try {
    await assertSameSecret(store, sealing);
    const devices = new SharedDevices(store);
    await devices.refresh();
    const enrollmentStore = new SqlEnrollmentStore(database, now);
    const enrollments = createEnrollments({
      store: enrollmentStore,
      passcodeKey: sealing.derive("passcodes"),
      requireAttestation: options.attestation?.require,
      now,
    });
    await enrollments.refresh();
    const registrations = new SqlRegistrationStore(database);
    await (create ? feedKeys.create() : feedKeys.refresh());
    return {
      dir,
      identity,
      store,
      devices,
      sealing,
      enrollmentStore,
      enrollments,
      registrations,
      feeds,
      feedKeys,
      created,
      close,
    };
  } catch (error) {
    await close().catch(() => {});
    throw error;
  }
}

function placeOf(dir: string, env: Environment): DatabasePlace {
  const url = secretFrom(databaseSource, env);
  if (url === undefined) return { file: join(dir, "authority.db") };
  const scheme = URL.canParse(url) ? new URL(url).protocol : "";
  if (scheme === "postgres:" || scheme === "postgresql:") return { url };
  throw new AmeshError("invalid_option", "DATABASE_URL is not a URL of PostgreSQL.", {
    fix: "Write postgres://USER:PASSWORD@HOST/DATABASE, or unset it for a file in the folder.",
  });
}

/** One that replicas share, or that of this folder's identity. @throws AmeshError `invalid_option` for a short one */
async function sealingSecret(identity: OpenIdentity, env: Environment): Promise<Uint8Array> {
  const given = secretFrom(secretSource, env);
  if (given === undefined) return identity.keyStore.sealingSecret(identity.identity.keyAlias);
  if (given.length >= shortestSecret) return utf8(given);
  throw new AmeshError(
    "invalid_option",
    `The authority's secret has fewer than ${shortestSecret} characters.`,
    {
      fix: "Make one with `openssl rand -base64 32`.",
    },
  );
}

/** Said before anything is signed: a replica with another secret could read no key, and would make its own. */
async function assertSameSecret(store: AuthorityStore, { fingerprint }: KeySealing): Promise<void> {
  if ((await store.settle("sealing", fingerprint)) === fingerprint) return;
  throw new AmeshError("key_mismatch", "The signing keys in the database were sealed with another secret.", {
    fix: "Give every replica the same AMESH_AUTHORITY_SECRET_FILE, the one that the first was started with.",
  });
}
