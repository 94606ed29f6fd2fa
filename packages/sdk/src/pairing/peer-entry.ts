import type { PairingPeer, Role } from "@authmesh/core";
import {
  type AllowList,
  type AllowListDraft,
  activateDevice,
  addDevice,
  controllersInTheWay,
  type DeviceEntry,
} from "@authmesh/keystore";

/** The other device's entry in this machine's allow list, while a pairing goes on (docs/protocol.md, section 5). */
export class PeerEntry {
  readonly role: Role;
  readonly #list: AllowList;
  readonly #now: () => number;
  readonly #replaceable = new Set<string>();
  /** Undefined as long as nothing was stored. */
  #known: boolean | undefined;

  /** @param now milliseconds since the epoch */
  constructor(list: AllowList, role: Role, now: () => number) {
    this.role = role;
    this.#list = list;
    this.#now = () => Math.floor(now() / 1000);
  }

  /** Whether there was an active entry before. */
  get known(): boolean {
    return this.#known === true;
  }

  /** The controllers that would have to go for this one. */
  inTheWay({ deviceId }: PairingPeer): readonly DeviceEntry[] {
    return controllersInTheWay(this.#list.state, deviceId, this.#now());
  }

  /** The operator agreed that these go, once the new one is active. */
  replace(controllers: readonly { readonly deviceId: string }[]): void {
    for (const { deviceId } of controllers) this.#replaceable.add(deviceId);
  }

  /** An entry that is active stays as it is until `activate`: a pairing that fails changes nothing. */
  async storePending(peer: PairingPeer): Promise<void> {
    await this.#list.update((draft) => {
      this.#known = this.#isActive(draft, peer);
      if (!this.#known) addDevice(draft, this.#entry(draft, peer, "pending"));
    });
  }

  /** @throws AmeshError `device_not_found` when it was revoked meanwhile */
  async activate(peer: PairingPeer): Promise<void> {
    await this.#list.update((draft) => {
      const entry = this.#entry(draft, peer, "active");
      activateDevice(draft, { ...entry, deviceId: peer.deviceId });
      addDevice(draft, entry);
    });
  }

  async store(peer: PairingPeer): Promise<void> {
    await this.#list.update((draft) => {
      this.#known = this.#isActive(draft, peer);
      addDevice(draft, this.#entry(draft, peer, "active"));
    });
  }

  /** Takes back what was stored. A device that was known before stays known. */
  async discard(peer: PairingPeer): Promise<void> {
    if (this.#known !== false) return;
    await this.#list.update((draft) => {
      draft.devices = draft.devices.filter((entry) => !this.#isEntry(entry, peer));
    });
  }

  #entry(draft: AllowListDraft, { publicKey, friendlyName }: PairingPeer, status: DeviceEntry["status"]) {
    const now = this.#now();
    const inTheWay = controllersInTheWay(draft, publicKey.deviceId, now);
    return {
      publicKey,
      friendlyName,
      role: this.role,
      status,
      addedBy: "handshake",
      bound: true,
      now,
      // Only those that the operator was shown: another may have come in since.
      replace: inTheWay.every(({ deviceId }) => this.#replaceable.has(deviceId)),
      // Two people agree here, as they did when it was revoked.
      liftRevocation: true,
    } as const;
  }

  #isActive({ devices }: AllowListDraft, peer: PairingPeer): boolean {
    return devices.some((entry) => this.#isEntry(entry, peer) && entry.status === "active");
  }

  #isEntry({ deviceId, role }: DeviceEntry, peer: PairingPeer): boolean {
    return deviceId === peer.deviceId && role === this.role;
  }
}
