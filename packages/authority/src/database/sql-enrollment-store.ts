import type { Enrollment } from "../enrollment/enrollment.js";
import type {
  Account,
  AccountWork,
  EnrollmentFilter,
  EnrollmentStore,
  Invitation,
} from "../enrollment/enrollment-store.js";
import { type StateChange, stateEvent } from "../state-event.js";
import { holdAccount, insertAccount, readAccount, readAccounts, readInvitations } from "./account-rows.js";
import { SqlAccountWork } from "./account-work.js";
import { attempt } from "./database-failure.js";
import {
  accountsWithLapsed,
  countLive,
  listEnrollments,
  noteUses,
  raiseCounter,
  readByDevice,
  readChanged,
  readEnrollment,
  readLive,
  readNamesakes,
} from "./enrollment-rows.js";
import { raiseGeneration } from "./generation-rows.js";
import { writeStateEvents } from "./state-event-rows.js";
import type { Database, Work } from "./tables.js";

/** Accounts and enrollments in SQLite or PostgreSQL: the same questions to both. */
export class SqlEnrollmentStore implements EnrollmentStore {
  readonly #database: Database;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(database: Database, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
  }

  createAccount(account: Account, ...told: readonly StateChange[]): Promise<boolean> {
    return this.#transact(async (work) => {
      if (!(await insertAccount(work, account))) return false;
      await raiseGeneration(work, "enrollments");
      await this.#tell(work, told);
      return true;
    });
  }

  accounts(): Promise<readonly Account[]> {
    return attempt(() => readAccounts(this.#database));
  }

  readAccount(name: string): Promise<Account | undefined> {
    return attempt(() => readAccount(this.#database, name));
  }

  changeAccount<T>(name: string, change: (work: AccountWork) => Promise<T>): Promise<T | undefined> {
    return this.#transact(async (work) => {
      const account = await holdAccount(work, name);
      if (account === undefined) return undefined;
      const accountWork = new SqlAccountWork(work, account, Math.floor(this.#now() / 1000));
      const result = await change(accountWork);
      await this.#tell(work, await accountWork.end());
      return result;
    });
  }

  readEnrollment(account: string, id: string): Promise<Enrollment | undefined> {
    return attempt(() => readEnrollment(this.#database, account, id));
  }

  readByDevice(deviceId: string): Promise<Enrollment | undefined> {
    return attempt(() => readByDevice(this.#database, deviceId));
  }

  readNamesakes(of: Enrollment): Promise<readonly Enrollment[]> {
    return attempt(() => readNamesakes(this.#database, of));
  }

  listEnrollments(account: string, filter: EnrollmentFilter, now: number): Promise<readonly Enrollment[]> {
    return attempt(() => listEnrollments(this.#database, account, filter, now));
  }

  readLive(now: number): Promise<readonly Enrollment[]> {
    return attempt(() => readLive(this.#database, now));
  }

  countLive(now: number): Promise<number> {
    return attempt(() => countLive(this.#database, now));
  }

  listInvitations(account: string, now: number): Promise<readonly Invitation[]> {
    return attempt(() => readInvitations(this.#database, account, now));
  }

  changedSince(
    generation: number | undefined,
  ): Promise<{ readonly generation: number; readonly enrollments: readonly Enrollment[] }> {
    return attempt(async () => {
      const { value } = await this.#database
        .selectFrom("generations")
        .select("value")
        .where("area", "=", "enrollments")
        .executeTakeFirstOrThrow();
      const rows =
        value > (generation ?? value) ? await readChanged(this.#database, generation ?? value) : [];
      return {
        generation: Math.max(value, ...rows.slice(-1).map(({ changed }) => changed)),
        enrollments: rows.map(({ enrollment }) => enrollment),
      };
    });
  }

  raiseCounter(of: Enrollment, counter: number): Promise<boolean> {
    return attempt(() => raiseCounter(this.#database, of, counter));
  }

  noteUses(uses: ReadonlyMap<string, number>): Promise<void> {
    return attempt(() => noteUses(this.#database, uses));
  }

  accountsWithLapsed(now: number, limit: number): Promise<readonly string[]> {
    return attempt(() => accountsWithLapsed(this.#database, now, limit));
  }

  forgetInvitations(now: number): Promise<void> {
    return attempt(async () => {
      await this.#database.deleteFrom("invitations").where("expires_at", "<=", now).execute();
    });
  }

  #transact<T>(work: (transaction: Work) => Promise<T>): Promise<T> {
    return attempt(() => this.#database.transaction().execute(work));
  }

  #tell(work: Work, changes: readonly StateChange[]): Promise<void> {
    const time = this.#now() / 1000;
    return writeStateEvents(
      work,
      changes.map((change) => stateEvent(change, time)),
    );
  }
}
