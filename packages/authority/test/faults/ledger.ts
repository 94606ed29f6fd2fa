/** How an enrollment stands, for everybody to see. */
export type Standing = "none" | "pending" | "approved" | "narrowed" | "revoked" | "deleted";

/** One operation: what it makes of these enrollments, all of them or none. */
export interface Step {
  readonly names: readonly string[];
  readonly to: Standing;
  /** What the audit calls it. */
  readonly told: string;
}

/** What a server acknowledged, and what it was asked and did not answer before it was killed. */
export class Ledger {
  readonly #standings = new Map<string, Standing>();
  readonly #told = new Map<string, string[]>();
  readonly #underWay = new Set<Step>();

  acknowledged = 0;

  /** @param work rejects where there was no answer: then nobody knows whether it was done */
  async take(step: Step, work: () => Promise<unknown>): Promise<void> {
    this.#underWay.add(step);
    await work();
    this.acknowledged += 1;
    this.#write(step);
  }

  standing(name: string): Standing {
    return this.#standings.get(name) ?? "none";
  }

  /** What the audit has to have been told of it, in order. */
  told(name: string): readonly string[] {
    return this.#told.get(name) ?? [];
  }

  get names(): readonly string[] {
    return [...this.#standings.keys()];
  }

  /**
   * Settles what was under way by how things were found.
   *
   * @returns of each of those operations, whether it had been done
   * @throws Error for one that was done to some of its enrollments and not to all
   */
  settle(found: (name: string) => Standing): readonly boolean[] {
    const outcomes = [...this.#underWay].map((step) => {
      const changed = step.names.filter((name) => found(name) === step.to);
      if (changed.length > 0 && changed.length < step.names.length)
        throw new Error(`${step.told}: done to ${changed} alone of ${step.names}.`);
      if (changed.length > 0) this.#write(step);
      else for (const name of step.names) this.#standings.set(name, this.standing(name));
      return changed.length > 0;
    });
    this.#underWay.clear();
    return outcomes;
  }

  #write(step: Step): void {
    this.#underWay.delete(step);
    for (const name of step.names) {
      this.#standings.set(name, step.to);
      this.#told.set(name, [...this.told(name), step.told]);
    }
  }
}
