import { type Kysely, type Migration, type MigrationProvider, sql } from "kysely";
import { isPostgres } from "./change-listener.js";

/**
 * The schema, step by step. A step that was released is never edited: another one follows it. What is written here
 * is understood alike by SQLite and PostgreSQL.
 */
const steps: Readonly<Record<string, Migration>> = {
  "0001_first": {
    async up(database: Kysely<unknown>) {
      const table = (name: string) => database.schema.createTable(name);
      await table("generations")
        .addColumn("area", "text", (column) => column.primaryKey())
        .addColumn("value", "bigint", (column) => column.notNull())
        .execute();
      await sql`insert into generations (area, value) values ('devices', 0), ('keys', 0), ('revocations', 0)`.execute(
        database,
      );
      await table("devices")
        .addColumn("device_id", "text", (column) => column.notNull())
        .addColumn("role", "text", (column) => column.notNull())
        .addColumn("entry", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("devices_key", ["device_id", "role"])
        .execute();
      await table("revoked_devices")
        .addColumn("device_id", "text", (column) => column.primaryKey())
        .addColumn("entry", "text", (column) => column.notNull())
        .execute();
      await table("signing_keys")
        .addColumn("kid", "text", (column) => column.primaryKey())
        .addColumn("state", "text", (column) => column.notNull())
        .addColumn("since", "bigint", (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("public_jwk", "text", (column) => column.notNull())
        .addColumn("sealed", "text")
        .execute();
      // Whatever two replicas do at once: one key signs, and one is about to.
      await sql`create unique index one_of_a_state on signing_keys (state) where state in ('active', 'next')`.execute(
        database,
      );
      await table("revocations")
        .addColumn("by", "text", (column) => column.notNull())
        .addColumn("value", "text", (column) => column.notNull())
        .addColumn("reason", "text", (column) => column.notNull())
        .addColumn("actor", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint")
        .addColumn("removed", "integer", (column) => column.notNull())
        .addColumn("generation", "bigint", (column) => column.notNull().unique())
        .addPrimaryKeyConstraint("revocations_key", ["by", "value"])
        .execute();
      await table("nonces")
        .addColumn("digest", "text", (column) => column.primaryKey())
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .execute();
      await database.schema.createIndex("nonces_by_end").on("nonces").column("expires_at").execute();
      await table("state_events")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("event", "text", (column) => column.notNull())
        .execute();
      await table("settings")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("value", "text", (column) => column.notNull())
        .execute();
    },
  },
  "0002_feeds": {
    async up(database: Kysely<unknown>) {
      // In the order of code units, not of some language.
      const text = sql.raw(isPostgres(database) ? 'text collate "C"' : "text");
      await database.schema
        .createTable("feeds")
        .addColumn("feed", "text", (column) => column.primaryKey())
        .addColumn("epoch", "bigint", (column) => column.notNull())
        .addColumn("number", "bigint", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .execute();
      await database.schema
        .createTable("feed_deltas")
        .addColumn("feed", "text", (column) => column.notNull())
        .addColumn("epoch", "bigint", (column) => column.notNull())
        .addColumn("number", "bigint", (column) => column.notNull())
        .addColumn("before", "text", (column) => column.notNull())
        .addColumn("changes", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("feed_deltas_key", ["feed", "epoch", "number"])
        .execute();
      await database.schema
        .createTable("feed_entries")
        .addColumn("feed", "text", (column) => column.notNull())
        .addColumn("kind", text, (column) => column.notNull())
        .addColumn("id", text, (column) => column.notNull())
        .addColumn("value", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("feed_entries_key", ["feed", "kind", "id"])
        .execute();
      await database.schema
        .createTable("feed_keys")
        .addColumn("number", "integer", (column) => column.primaryKey())
        .addColumn("public_jwk", "text", (column) => column.notNull())
        .addColumn("sealed", "text")
        .addColumn("rotation", "text")
        .execute();
      await sql`insert into generations (area, value) values ('feeds', 0)`.execute(database);
    },
  },
  "0003_enrollment": {
    async up(database: Kysely<unknown>) {
      const { schema } = database;
      await sql`insert into generations (area, value) values ('enrollments', 0)`.execute(database);
      await schema
        .createTable("accounts")
        .addColumn("name", "text", (column) => column.primaryKey())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("email", "text")
        .addColumn("secret_key", "text")
        .addColumn("secret_expires_at", "bigint")
        .addColumn("onboarded_by", "text")
        .execute();
      await schema
        .createTable("recovery_codes")
        .addColumn("account", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addPrimaryKeyConstraint("recovery_codes_key", ["account", "digest"])
        .execute();
      await schema
        .createTable("invitations")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("account", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("kind", "text", (column) => column.notNull())
        .addColumn("created_by", "text", (column) => column.notNull())
        .addColumn("created_at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .addColumn("uses_left", "bigint", (column) => column.notNull())
        .addColumn("scopes", "text")
        .addColumn("auto_approve", "integer", (column) => column.notNull())
        .addUniqueConstraint("invitations_by_digest", ["account", "digest"])
        .execute();
      await schema.createIndex("invitations_by_end").on("invitations").column("expires_at").execute();
      await schema
        .createTable("enrollments")
        .addColumn("id", "text", (column) => column.primaryKey())
        .addColumn("account", "text", (column) => column.notNull())
        .addColumn("app_name", "text", (column) => column.notNull())
        .addColumn("device_name", "text", (column) => column.notNull())
        .addColumn("device_id", "text", (column) => column.notNull())
        .addColumn("public_key", "text", (column) => column.notNull())
        .addColumn("status", "text", (column) => column.notNull())
        .addColumn("scopes", "text", (column) => column.notNull())
        .addColumn("requested_scopes", "text", (column) => column.notNull())
        .addColumn("requested_lifetime", "bigint")
        .addColumn("requested_at", "bigint", (column) => column.notNull())
        .addColumn("address", "text", (column) => column.notNull())
        .addColumn("request_digest", "text", (column) => column.notNull())
        .addColumn("s", "text", (column) => column.notNull())
        .addColumn("expires_at", "bigint")
        .addColumn("decided_at", "bigint")
        .addColumn("decided_by", "text")
        .addColumn("approved_by", "text")
        .addColumn("reason", "text")
        .addColumn("attestation", "text", (column) => column.notNull())
        .addColumn("is_root", "integer", (column) => column.notNull())
        .addColumn("changed", "bigint", (column) => column.notNull())
        .execute();
      const index = (by: string, columns: string[]) =>
        schema.createIndex(`enrollments_by_${by}`).on("enrollments").columns(columns).execute();
      await index("account", ["account", "id"]);
      await index("name", ["account", "app_name", "device_name"]);
      await index("device", ["device_id"]);
      await index("approver", ["approved_by"]);
      await index("request", ["request_digest"]);
      await index("status", ["account", "status", "expires_at"]);
      await index("end", ["status", "expires_at"]);
      await index("change", ["changed"]);
      await schema
        .createTable("enrollment_keys")
        .addColumn("device_id", "text", (column) => column.primaryKey())
        .addColumn("enrollment", "text", (column) => column.notNull())
        .addColumn("is_spent", "integer", (column) => column.notNull())
        .execute();
      await schema
        .createTable("enrollment_uses")
        .addColumn("enrollment", "text", (column) => column.notNull())
        .addColumn("device_id", "text", (column) => column.notNull())
        .addColumn("counter", "bigint", (column) => column.notNull())
        .addColumn("used_at", "bigint")
        .addPrimaryKeyConstraint("enrollment_uses_key", ["enrollment", "device_id"])
        .execute();
    },
  },
  "0004_registration": {
    async up(database: Kysely<unknown>) {
      await database.schema
        .createTable("activations")
        .addColumn("account", "text", (column) => column.notNull())
        .addColumn("email", "text", (column) => column.notNull())
        .addColumn("digest", "text", (column) => column.notNull())
        .addColumn("tries_left", "integer", (column) => column.notNull())
        .addColumn("expires_at", "bigint", (column) => column.notNull())
        .addPrimaryKeyConstraint("activations_key", ["account", "email"])
        .execute();
      const index = (name: string, column: string) =>
        database.schema.createIndex(name).on("activations").column(column).execute();
      await index("activations_by_address", "email");
      await index("activations_by_end", "expires_at");
      await database.schema
        .createTable("invited_addresses")
        .addColumn("email", "text", (column) => column.primaryKey())
        .addColumn("at", "bigint", (column) => column.notNull())
        .execute();
    },
  },
  "0005_revocation_sources": {
    async up(database: Kysely<unknown>) {
      await database.schema
        .createTable("revocation_sources")
        .addColumn("by", "text", (column) => column.notNull())
        .addColumn("value", "text", (column) => column.notNull())
        .addColumn("source", "text", (column) => column.notNull())
        .addColumn("reason", "text", (column) => column.notNull())
        .addColumn("actor", "text", (column) => column.notNull())
        .addColumn("at", "bigint", (column) => column.notNull())
        .addColumn("expires_at", "bigint")
        .addPrimaryKeyConstraint("revocation_sources_key", ["by", "value", "source"])
        .execute();
      // Operators have the ids of devices; what enrollments said has the id of one, or that of nobody.
      await sql`insert into revocation_sources ("by", value, source, reason, actor, at, expires_at)
        select "by", value,
          case when actor = 'authority' or substr(actor, 1, 3) = 'en_' then 'enrollment' else 'operator' end,
          reason, actor, at, expires_at
        from revocations where removed = 0`.execute(database);
    },
  },
};

export const migrations: MigrationProvider = { getMigrations: async () => ({ ...steps }) };
