import type { EnrollmentStore } from "./enrollment-store.js";

/**
 * When enrollments were last used: noted in memory once a minute for each, and written in batches, so that a request
 * costs no transaction. What was noted in the last seconds before a crash is lost.
 */
export class LastUses {
  readonly #store: Pick<EnrollmentStore, "noteUses">;
  readonly #now: () => number;
  #minute = 0;
  readonly #noted = new Set<string>();
  #unwritten = new Map<string, number>();

  /** @param now milliseconds since the epoch */
  constructor(store: Pick<EnrollmentStore, "noteUses">, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  note(id: string): void {
    const now = this.#now();
    const minute = Math.floor(now / 60_000);
    if (minute !== this.#minute) this.#noted.clear();
    this.#minute = minute;
    if (this.#noted.has(id)) return;
    this.#noted.add(id);
    this.#unwritten.set(id, Math.floor(now / 1000));
  }

  /** Throws what the store does; nothing is lost by it. */
  async write(): Promise<void> {
    if (this.#unwritten.size === 0) return;
    const batch = this.#unwritten;
    this.#unwritten = new Map();
    try {
      await this.#store.noteUses(batch);
    } catch (error) {
      this.#unwritten = new Map([...batch, ...this.#unwritten]);
      throw error;
    }
  }
}
