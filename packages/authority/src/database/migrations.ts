import { type Kysely, type Migration, type MigrationProvider, sql } from "kysely";

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
    },
  },
};

export const migrations: MigrationProvider = { getMigrations: async () => ({ ...steps }) };
