/**
 * What a pairing tells while it goes on. Each is also one line of `amesh listen --json` or `amesh invite --json`,
 * with these members in this order.
 */
export type PairingEvent =
  /** `listen`: the relay waits under this code, for so many seconds. Tell it to the other side's operator. */
  | { readonly event: "code"; readonly code: string; readonly expiresIn: number }
  /** `listen`: who answered. It has proved that the key behind the id is its own; the name is its own word. */
  | { readonly event: "peer"; readonly deviceId: string; readonly friendlyName: string }
  /** `invite`: show this code; the target's operator types it there. Nothing is stored yet. */
  | { readonly event: "sas"; readonly code: string; readonly deviceId: string; readonly friendlyName: string }
  /** `listen`: the operator is asked for the code that the controller shows, and has so many entries left. */
  | { readonly event: "verify"; readonly left: number }
  /** `listen`: the entry was wrong. */
  | { readonly event: "mismatch"; readonly left: number }
  /**
   * It is done. `role` is the other device's; `updated`: it was known in this role before. `replaced`, if there are
   * any: the controllers that went for it and may not call any more.
   */
  | {
      readonly event: "paired";
      readonly deviceId: string;
      readonly role: "controller" | "target";
      readonly friendlyName: string;
      readonly updated: boolean;
      readonly replaced?: readonly ShownDevice[];
    };

/** A device as people are shown it. */
export interface ShownDevice {
  readonly deviceId: string;
  readonly friendlyName: string;
}

export const shownDevice = ({ deviceId, friendlyName }: ShownDevice): ShownDevice => ({
  deviceId,
  friendlyName,
});
