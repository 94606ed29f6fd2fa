import { AmeshError, type BootstrapToken, checkBootstrapToken } from "@authmesh/core";
import { addDevice, assertNotRevoked } from "./allow-list-changes.js";
import { type AllowListDraft, type AllowListState, maxEntries } from "./allow-list-format.js";

/** Where and when a bootstrap token is used. */
export interface BootstrapPlace {
  /** What this machine is called, for a token that names its host. */
  readonly hosts: readonly string[];
  /** Unix seconds. */
  readonly now: number;
}

/** Whether a token has nothing to add: its controller has an active entry, lapsed or not. */
export const knowsController = (
  { devices }: Pick<AllowListState, "devices">,
  { controller }: BootstrapToken,
): boolean =>
  devices.some(
    ({ publicKey, role, status }) =>
      publicKey === controller.publicKey.base64 && role === "controller" && status === "active",
  );

/**
 * Lets the controller of a token in and marks the token as used, in one draft and so in one write (docs/protocol.md,
 * section 7.3). For who is known already, nothing is changed and nothing checked.
 *
 * @returns whether the controller was added
 * @throws AmeshError `bootstrap_token_expired`, `bootstrap_host_mismatch`, `device_revoked`, `bootstrap_token_used`,
 * `controller_limit_reached`, `allow_list_full`, `invalid_public_key`
 */
export function consumeBootstrapToken(
  draft: AllowListDraft,
  token: BootstrapToken,
  { hosts, now }: BootstrapPlace,
): boolean {
  if (knowsController(draft, token)) return false;
  const { jti, expiresAt, controller } = token;
  const problem = checkBootstrapToken(token, { hosts, now });
  if (problem !== undefined) throw new AmeshError(problem);
  // Before "used", for which a new token would be made: that is refused as well.
  assertNotRevoked(draft, controller.publicKey.deviceId);
  if (draft.consumed.some((used) => used.jti === jti)) throw new AmeshError("bootstrap_token_used");
  draft.consumed = draft.consumed.filter((used) => used.expiresAt > now);
  if (draft.consumed.length >= maxEntries)
    throw new AmeshError(
      "allow_list_full",
      `${maxEntries} bootstrap tokens that were used have not expired.`,
    );
  draft.consumed.push({ jti, expiresAt });
  const { publicKey, friendlyName } = controller;
  const entry = { publicKey, friendlyName, role: "controller", status: "active", bound: true } as const;
  // Without consent: a token is no person who lets another controller go or forgives a revocation.
  addDevice(draft, { ...entry, addedBy: "bootstrap", now });
  return true;
}
