import { timingSafeEqual } from "node:crypto";
import { utf8 } from "@authmesh/core";
import { activationTries } from "../accounts/activation-code.js";
import type { Activation, RegistrationStore } from "../accounts/registration-store.js";
import { attempt } from "./database-failure.js";
import type { Database, Work } from "./tables.js";

/** Registrations in SQLite or PostgreSQL. */
export class SqlRegistrationStore implements RegistrationStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  invite(email: string, at: number): Promise<void> {
    return attempt(async () => {
      await this.#database
        .insertInto("invited_addresses")
        .values({ email, at })
        .onConflict((conflict) => conflict.column("email").doUpdateSet({ at }))
        .execute();
    });
  }

  isInvited(email: string): Promise<boolean> {
    return attempt(async () => {
      const query = this.#database.selectFrom("invited_addresses").select("email");
      return (await query.where("email", "=", email).executeTakeFirst()) !== undefined;
    });
  }

  forgetInvited(email: string): Promise<void> {
    return this.#transaction(async (work) => {
      await work.deleteFrom("invited_addresses").where("email", "=", email).execute();
      await work.deleteFrom("activations").where("email", "=", email).execute();
    });
  }

  saveActivation({ account, email, digest, expiresAt }: Activation, now: number): Promise<void> {
    const kept = { digest, tries_left: activationTries, expires_at: expiresAt };
    return this.#transaction(async (work) => {
      await work.deleteFrom("activations").where("expires_at", "<=", now).execute();
      await work
        .insertInto("activations")
        .values({ account, email, ...kept })
        .onConflict((conflict) => conflict.columns(["account", "email"]).doUpdateSet(kept))
        .execute();
    });
  }

  useActivation(account: string, digest: string, now: number): Promise<string | undefined> {
    return this.#transaction(async (work) => {
      // Counted first: whoever else guesses waits for these rows, and finds them with one try less.
      const rows = await work
        .updateTable("activations")
        .set((row) => ({ tries_left: row("tries_left", "-", 1) }))
        .where("account", "=", account)
        .where("expires_at", ">", now)
        .where("tries_left", ">", 0)
        .returning(["email", "digest"])
        .execute();
      const found = rows.filter((row) => timingSafeEqual(utf8(row.digest), utf8(digest)))[0];
      if (found !== undefined)
        await work.deleteFrom("activations").where("email", "=", found.email).execute();
      return found?.email;
    });
  }

  #transaction<T>(work: (transaction: Work) => Promise<T>): Promise<T> {
    return attempt(() => this.#database.transaction().execute(work));
  }
}
