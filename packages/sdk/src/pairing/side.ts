import { AmeshError, type PairingOptions as HandshakeOptions, type Random, type Role } from "@authmesh/core";
import { type DeviceList, type OpenIdentity, openIdentity } from "@authmesh/keystore";
import { CooldownFile } from "./cooldown-file.js";
import { PeerEntry, type PeerEntryOptions } from "./peer-entry.js";
import { relayUrl } from "./relay-url.js";

/** What both sides of a pairing may be given. */
export interface PairingOptions {
  /** Folder of the identity. Default: AUTH_MESH_DIR, else ~/.amesh. */
  readonly dir?: string;
  /** The identity itself, in place of a folder. */
  readonly identity?: OpenIdentity;
  /** Where the other device is written to. Default: the allow list of the identity. */
  readonly devices?: DeviceList;
  /** URL of the relay. Default: AMESH_RELAY_URL, else {@link defaultRelay}. */
  readonly relay?: string;
  /** Cancels the pairing at any time: `pairing_cancelled`. */
  readonly signal?: AbortSignal;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
  /** Returns so many fresh random bytes. Default: the system's CSPRNG. */
  readonly random?: Random;
}

/** What a side of a pairing works with. */
export interface Side {
  readonly identity: OpenIdentity;
  readonly relay: string;
  readonly signal: AbortSignal | undefined;
  readonly random: Random | undefined;
  /** What this side keeps of the other one. */
  readonly peer: PeerEntry;
  readonly cooldown: CooldownFile;
}

/**
 * Opens everything a pairing needs, so that what is missing is known before two people are kept busy.
 *
 * @param peerRole what the other device will be here
 * @param entry.addedBy how its entry will say it came in; default by a handshake
 * @throws AmeshError `invalid_option`, `pairing_cooldown`, and what keeps identity, key or allow list from being used
 */
export async function takeSide(
  peerRole: Role,
  options: PairingOptions,
  {
    addedBy = "handshake",
    maxControllers,
  }: Partial<Pick<PeerEntryOptions, "addedBy" | "maxControllers">> = {},
): Promise<Side> {
  const { dir, signal, random, now = Date.now } = options;
  const relay = relayUrl(options.relay);
  const identity = options.identity ?? (await openIdentity(dir === undefined ? {} : { dir }));
  const cooldown = new CooldownFile(identity.dir, now);
  cooldown.check();
  const list = options.devices ?? (await identity.openAllowList({ now }));
  const problem = list.check();
  if (problem !== undefined) throw new AmeshError(problem);
  const peer = new PeerEntry({ list, role: peerRole, now, addedBy, maxControllers });
  return { identity, relay, signal, random, cooldown, peer };
}

/** What the handshake under a code has to know of this side. */
export function handshakeOptions({ identity, random }: Side, rendezvous: string): HandshakeOptions {
  const { publicKey } = identity;
  const { friendlyName } = identity.identity;
  return { publicKey, friendlyName, rendezvous, ...(random && { random }) };
}
