import type { AllowListDraft, AllowListState } from "@authmesh/keystore";
import type { Revocation } from "@authmesh/oath";
import type {
  AuthorityStore,
  Generations,
  Revocable,
  RevocationPage,
  RevocationRemoval,
  StandingRevocation,
} from "../authority-store.js";
import { deviceChanges, toldOfDevices } from "../devices/device-changes.js";
import { toldOfKeys } from "../keys/rotation.js";
import type { SigningKey } from "../keys/signing-key.js";
import { type StateChange, type StateEvent, stateEvent } from "../state-event.js";
import { attempt } from "./database-failure.js";
import { readDevices, writeDevices } from "./device-rows.js";
import { raiseGeneration } from "./generation-rows.js";
import { readKeys, writeKeys } from "./key-rows.js";
import { NonceQueue } from "./nonce-queue.js";
import {
  dropRevocations,
  findRevoked,
  hasRevocationsToDrop,
  readRevocations,
  removeRevocation,
  toldOfRemoval,
  toldOfRevocation,
  writeRevocation,
} from "./revocation-rows.js";
import { findSource } from "./revocation-source-rows.js";
import { deleteStateEvent, readStateEvents, writeStateEvents } from "./state-event-rows.js";
import type { Area, Database, Work } from "./tables.js";

/** The state in SQLite or PostgreSQL: the same questions to both. */
export class SqlStore implements AuthorityStore {
  readonly #database: Database;
  readonly #nonces: NonceQueue;
  readonly #now: () => number;

  /** @param now milliseconds since the epoch */
  constructor(database: Database, now: () => number = Date.now) {
    this.#database = database;
    this.#now = now;
    this.#nonces = new NonceQueue(database);
  }

  generations(): Promise<Generations> {
    return attempt(async () => {
      const rows = await this.#database.selectFrom("generations").selectAll().execute();
      return Object.fromEntries(rows.map(({ area, value }) => [area, value])) as Generations;
    });
  }

  readDevices(): Promise<AllowListState> {
    return attempt(async () => readDevices(this.#database, (await this.generations()).devices));
  }

  changeDevices<T>(change: (draft: AllowListDraft) => T): Promise<T> {
    return this.#change("devices", async (work, generation) => {
      const before = await readDevices(work, generation);
      const draft = structuredClone(before);
      const result = change(draft);
      const changes = deviceChanges(before, draft);
      await writeDevices(work, changes);
      await this.#tell(work, toldOfDevices(changes));
      return result;
    });
  }

  readKeys(): Promise<readonly SigningKey[]> {
    return attempt(() => readKeys(this.#database));
  }

  changeKeys(
    change: (keys: readonly SigningKey[]) => readonly SigningKey[] | undefined,
  ): Promise<readonly SigningKey[]> {
    return this.#change("keys", async (work) => {
      const before = await readKeys(work);
      const after = change(before);
      if (after === undefined) return before;
      await writeKeys(work, after);
      await this.#tell(work, toldOfKeys(before, after));
      return after;
    });
  }

  revocationsAfter(
    generation: number,
    limit: number,
    from = generation,
  ): Promise<RevocationPage | undefined> {
    return attempt(async () => {
      const { revocations: last } = await this.generations();
      return readRevocations(this.#database, last, { from, after: generation, limit });
    });
  }

  addRevocation(entry: Omit<Revocation, "issuer">): Promise<StandingRevocation> {
    return this.#change("revocations", async (work, generation) => {
      const standing = await writeRevocation(work, generation, "operator", entry);
      await this.#tell(work, [toldOfRevocation(standing)]);
      return standing;
    });
  }

  hasRevocation(entry: Pick<Revocation, "by" | "value">): Promise<boolean> {
    return attempt(async () => (await findSource(this.#database, "operator", entry)) !== undefined);
  }

  removeRevocation(removal: RevocationRemoval): Promise<number | undefined> {
    return this.#change("revocations", async (work, generation) => {
      if (!(await removeRevocation(work, generation, "operator", removal))) return undefined;
      await this.#tell(work, [toldOfRemoval(removal)]);
      return generation;
    });
  }

  findRevoked(named: readonly Revocable[], now: number): Promise<Revocable | undefined> {
    return attempt(() => findRevoked(this.#database, named, now));
  }

  forgetRevocations(now: number): Promise<void> {
    return attempt(async () => {
      // A generation without a change would have every reader ask again.
      if (await hasRevocationsToDrop(this.#database, now))
        await this.#change("revocations", (work) => dropRevocations(work, now));
    });
  }

  recordNonce(nonce: string, now: number, until: number): Promise<boolean> {
    return this.#nonces.record(nonce, now, until);
  }

  forgetNonces(now: number): Promise<void> {
    return attempt(async () => {
      await this.#database.deleteFrom("nonces").where("expires_at", "<=", now).execute();
    });
  }

  untold(): Promise<readonly StateEvent[]> {
    return attempt(() => readStateEvents(this.#database));
  }

  forgetTold({ id }: StateEvent): Promise<void> {
    return attempt(() => deleteStateEvent(this.#database, id));
  }

  settle(name: string, value: string): Promise<string> {
    return attempt(async () => {
      await this.#database
        .insertInto("settings")
        .values({ name, value })
        .onConflict((conflict) => conflict.column("name").doNothing())
        .execute();
      const row = await this.#database
        .selectFrom("settings")
        .select("value")
        .where("name", "=", name)
        .executeTakeFirstOrThrow();
      return row.value;
    });
  }

  close(): Promise<void> {
    return this.#database.destroy();
  }

  #tell(work: Work, changes: readonly StateChange[]): Promise<void> {
    const time = this.#now() / 1000;
    return writeStateEvents(
      work,
      changes.map((change) => stateEvent(change, time)),
    );
  }

  /** Raising the generation comes first: it holds off every other writer of the area until this one is done. */
  #change<T>(area: Area, work: (transaction: Work, generation: number) => Promise<T>): Promise<T> {
    return attempt(() =>
      this.#database
        .transaction()
        .execute(async (transaction) => work(transaction, await raiseGeneration(transaction, area))),
    );
  }
}
