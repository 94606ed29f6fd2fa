import type { Failure, JsonValue } from "@authmesh/core";
import { withCode } from "@authmesh/core/records";
import {
  type AllowListContents,
  type AllowListDraft,
  type AllowListState,
  allowListContents,
} from "./allow-list-format.js";

/** A list of devices that can be read and changed, wherever it is kept: `AllowList` keeps one in a file. */
export interface DeviceList {
  /** Why nothing in the list may be trusted now. */
  check(): Failure | undefined;
  /** Everything the list says. @throws AmeshError what `check()` returns */
  readonly state: AllowListState;
  /**
   * Changes the list, one writer at a time: `list.update((draft) => revokeDevice(draft, …))`. When `change` throws,
   * nothing is written.
   *
   * @returns what `change` returns
   */
  update<T>(change: (draft: AllowListDraft) => T): Promise<T>;
}

/**
 * Reads what a list of devices was kept as, and holds it to the rules of allow_list.json without its seal
 * (docs/protocol.md, section 11).
 *
 * @param name what errors call it
 * @throws AmeshError `allow_list_damaged`
 */
export const readDeviceList = (value: JsonValue, name: string): AllowListContents =>
  withCode(() => allowListContents(value, ""), "allow_list_damaged", name);
