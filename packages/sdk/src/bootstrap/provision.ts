import { AmeshError, type BootstrapToken, createBootstrapToken, readBootstrapToken } from "@authmesh/core";
import { openIdentity } from "@authmesh/keystore";
import { relayUrl } from "../pairing/relay-url.js";
import type { PairingOptions } from "../pairing/side.js";

export interface ProvisionOptions extends Omit<PairingOptions, "signal"> {
  /** What the new machine is to be called. */
  readonly name: string;
  /** The only machine that may use the token, by its host name. Default: any. */
  readonly host?: string;
  /** 1 to 86,400. Default 3,600. */
  readonly lifetimeSeconds?: number;
}

/** A token, and what it says. */
export interface ProvisionedToken {
  readonly text: string;
  readonly token: BootstrapToken;
}

/**
 * Makes a bootstrap token: a new machine that is started with it as `AMESH_BOOTSTRAP_TOKEN` lets this one in as its
 * controller (docs/protocol.md, section 7). Whoever can put another token in its place gets the new machine.
 *
 * @throws AmeshError `invalid_option`, `invalid_name`, `identity_not_found` and what else keeps the key from signing
 * @throws TypeError for a lifetime that no machine accepts
 */
export async function provision(options: ProvisionOptions): Promise<ProvisionedToken> {
  const { dir, name, host, lifetimeSeconds, now, random } = options;
  const relay = relayUrl(options.relay);
  const { publicKey, sign, identity } =
    options.identity ?? (await openIdentity(dir === undefined ? {} : { dir }));
  const controller = { publicKey, sign, friendlyName: identity.friendlyName };
  const text = await createBootstrapToken({ controller, name, relay, host, lifetimeSeconds, now, random });
  const token = readBootstrapToken(text);
  if ("code" in token) throw new AmeshError(token);
  return { text, token };
}
