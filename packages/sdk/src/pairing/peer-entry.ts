import { isDeepStrictEqual } from "node:util";
import type { PairingPeer, Role } from "@authmesh/core";
import {
  type AddedBy,
  type AllowListDraft,
  type AllowListState,
  addDevice,
  controllersInTheWay,
  type DeviceEntry,
  type DeviceList,
  removePendingDevice,
  setMaxControllers,
} from "@authmesh/keystore";

export interface PeerEntryOptions {
  readonly list: DeviceList;
  readonly role: Role;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly addedBy: AddedBy;
  /** The limit of controllers from `activate` on. Default: the list's. */
  readonly maxControllers?: number | undefined;
}

/** The other device's entry in this machine's allow list, while a pairing goes on (docs/protocol.md, section 5). */
export class PeerEntry {
  readonly role: Role;
  readonly #list: DeviceList;
  readonly #now: () => number;
  readonly #addedBy: AddedBy;
  readonly #maxControllers: number | undefined;
  readonly #replaceable = new Set<string>();
  #known = false;
  #replaced: readonly DeviceEntry[] = [];
  /** Takes back what was stored; undefined as long as nothing was. */
  #undo: ((draft: AllowListDraft) => void) | undefined;

  constructor({ list, role, now, addedBy, maxControllers }: PeerEntryOptions) {
    this.role = role;
    this.#list = list;
    this.#now = () => Math.floor(now() / 1000);
    this.#addedBy = addedBy;
    this.#maxControllers = maxControllers;
  }

  /** Whether there was an active entry before. */
  get known(): boolean {
    return this.#known;
  }

  /** Those that went when this one became active. */
  get replaced(): readonly DeviceEntry[] {
    return this.#replaced;
  }

  /** The controllers that would have to go for this one. */
  inTheWay({ deviceId }: PairingPeer): readonly DeviceEntry[] {
    return this.#inTheWay(this.#list.state, deviceId);
  }

  /** The operator agreed that these go, once the new one is active. */
  replace(controllers: readonly { readonly deviceId: string }[]): void {
    for (const { deviceId } of controllers) this.#replaceable.add(deviceId);
  }

  /** An entry that is active stays as it is until `activate`: a pairing that fails changes nothing. */
  async storePending(peer: PairingPeer): Promise<void> {
    await this.#list.update((draft) => {
      this.#known = this.#present(draft, peer)?.status === "active";
      if (this.#known) return;
      const { deviceId, role } = addDevice(draft, this.#entry(draft, peer, "pending"));
      this.#undo = (later) => removePendingDevice(later, { deviceId, role });
    });
  }

  /** @throws AmeshError `device_revoked` when it was revoked meanwhile */
  async activate(peer: PairingPeer): Promise<void> {
    await this.#list.update((draft) => {
      // Who revokes a device removes its entries: a revocation without one is younger than the code that was typed.
      // An entry that is merely gone was taken back by another pairing with this device, and does not end this one.
      const acceptRevoked = this.#present(draft, peer) !== undefined;
      if (this.#maxControllers !== undefined) setMaxControllers(draft, this.#maxControllers);
      this.#replaced = this.#inTheWay(draft, peer.deviceId);
      addDevice(draft, { ...this.#entry(draft, peer, "active"), acceptRevoked });
    });
  }

  /** Stores an active entry at once: for a target, which may not call, so that nothing hangs on it. */
  async store(peer: PairingPeer): Promise<void> {
    await this.#list.update((draft) => {
      const before = this.#present(draft, peer);
      this.#known = before?.status === "active";
      const written = addDevice(draft, this.#entry(draft, peer, "active"));
      this.#undo = (later) => {
        // Another pairing with this device may have written since; that entry stays.
        later.devices = later.devices.flatMap((entry) =>
          isDeepStrictEqual(entry, written) ? (before ?? []) : entry,
        );
      };
    });
  }

  /** Puts back what was there before anything was stored. What others have written since stays. */
  async discard(): Promise<void> {
    if (this.#undo !== undefined) await this.#list.update(this.#undo);
  }

  #entry(draft: AllowListDraft, { publicKey, friendlyName }: PairingPeer, status: DeviceEntry["status"]) {
    return {
      publicKey,
      friendlyName,
      role: this.role,
      status,
      addedBy: this.#addedBy,
      bound: true,
      now: this.#now(),
      // Only those that the operator was shown: another may have come in since.
      replace: this.#inTheWay(draft, publicKey.deviceId).every(({ deviceId }) =>
        this.#replaceable.has(deviceId),
      ),
      // A controller comes in only after a person has typed its code; a target lets nobody in.
      acceptRevoked: true,
    } as const;
  }

  #inTheWay(
    { devices, maxControllers }: Pick<AllowListState, "devices" | "maxControllers">,
    newcomer: string,
  ): readonly DeviceEntry[] {
    const list = { devices, maxControllers: this.#maxControllers ?? maxControllers };
    return controllersInTheWay(list, newcomer, this.#now());
  }

  #present({ devices }: AllowListDraft, peer: PairingPeer): DeviceEntry | undefined {
    return devices.find(({ deviceId, role }) => deviceId === peer.deviceId && role === this.role);
  }
}
