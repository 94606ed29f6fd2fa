interface Part {
  readonly value: unknown;
  readonly close: () => unknown;
  users: number;
}

/** What one user holds of the parts. */
export interface Lease {
  /**
   * A part, made anew unless somebody holds the one of the same settings.
   *
   * @param settings plain data: all that `make` depends on
   */
  take<T>(kind: string, settings: unknown, make: () => T, close?: (part: T) => unknown): T;
  /** Lets go of all of them, the last first. Those that nobody else holds are closed. */
  release(): Promise<void>;
}

/**
 * Parts by their settings. What remembers, follows or writes is there once, however many use it: so the memory of nonces outlives a change
 * of the configuration that has nothing to do with it, and a file has one writer.
 */
export class SharedParts {
  readonly #parts = new Map<string, Part>();

  lease(): Lease {
    const held: (readonly [string, Part])[] = [];
    return {
      take: <T>(
        kind: string,
        settings: unknown,
        make: () => T,
        close: (part: T) => unknown = () => {},
      ): T => {
        const name = JSON.stringify([kind, settings]);
        const part = this.#parts.get(name) ?? partOf(make(), close);
        this.#parts.set(name, part);
        part.users++;
        held.push([name, part]);
        return part.value as T;
      },
      release: async () => {
        for (const [name, part] of held.splice(0).reverse()) {
          part.users--;
          if (part.users > 0) continue;
          this.#parts.delete(name);
          await part.close();
        }
      },
    };
  }
}

const partOf = <T>(value: T, close: (part: T) => unknown): Part => ({
  value,
  close: () => close(value),
  users: 0,
});
