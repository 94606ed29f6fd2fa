import { createRevocationList, type RevocationList } from "../revocation-list.js";
import type { RevocationPage } from "./revocation-page.js";

/** An issuer's list as far as it was read. */
export class ListCopy {
  readonly list: RevocationList;
  #log: string | undefined;
  #generation = 0;

  constructor(options: { readonly maxEntries?: number; readonly now: () => number }) {
    this.list = createRevocationList(options);
  }

  get generation(): number {
    return this.#generation;
  }

  /** What the issuer calls this state of its list. Undefined before the first answer. */
  get tag(): string | undefined {
    return this.#log === undefined ? undefined : `"${this.#log}.${this.#generation}"`;
  }

  /**
   * @returns false for a page of another log, which is not applied
   * @throws AmeshError `revocation_unavailable` when the list is full
   */
  apply({ log, generation, changes }: RevocationPage): boolean {
    if (this.#log !== undefined && log !== this.#log) return false;
    for (const change of changes) this.list.apply(change);
    this.#log = log;
    this.#generation = generation;
    return true;
  }
}
