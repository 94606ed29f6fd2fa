import {
  AmeshError,
  type BootstrapToken,
  checkBootstrapToken,
  quoteForeign,
  readBootstrapToken,
} from "@authmesh/core";
import { type BootstrapPlace, consumeBootstrapToken, knowsController } from "./bootstrap-changes.js";
import { type CreatedIdentity, type CreateIdentityOptions, createIdentity } from "./create-identity.js";
import type { Environment } from "./folder.js";
import { type OpenIdentity, openIdentity } from "./open-identity.js";

export interface BootstrapIdentityOptions
  extends Omit<CreateIdentityOptions, "friendlyName" | "maxControllers" | "pkcs11">,
    Pick<BootstrapPlace, "hosts"> {
  /** As `amesh provision` prints it. */
  readonly token: string;
}

export interface BootstrappedIdentity {
  readonly identity: OpenIdentity;
  readonly token: BootstrapToken;
  /** Whether the controller was let in by this call, or was known before. */
  readonly outcome: "added" | "known";
  /** Whether this token was used on this machine, by this call or an earlier one. */
  readonly consumed: boolean;
  /** The identity, where this call made it. */
  readonly created: CreatedIdentity | undefined;
}

/**
 * Takes a controller in by a bootstrap token, without a network; makes the identity first where there is none, under
 * the token's name (docs/protocol.md, section 7.3). A token that is refused makes none. Of a new one,
 * AMESH_MAX_CONTROLLERS says how many controllers it accepts; one that is there keeps its limit.
 *
 * Killed in between, the next call goes on: identity and list are each there or not, and entry and used token are one
 * write.
 *
 * @throws AmeshError `bootstrap_token_invalid`, `bootstrap_token_expired`, `bootstrap_host_mismatch`,
 * `bootstrap_token_used`, `device_revoked`, `controller_limit_reached`, `pairing_own_key`, `invalid_option`; what `createIdentity`,
 * `openIdentity` and `AllowList.update` throw
 */
export async function bootstrapIdentity(options: BootstrapIdentityOptions): Promise<BootstrappedIdentity> {
  const { token: text, hosts, now = Date.now } = options;
  const token = readBootstrapToken(text);
  if ("code" in token) throw new AmeshError(token);
  const place = (): BootstrapPlace => ({ hosts, now: Math.floor(now() / 1000) });
  const { identity, created } = await openOrCreate(options, token, place());
  const list = await identity.openAllowList({ now });
  const added =
    !knowsController(list.state, token) &&
    (await list.update((draft) => consumeBootstrapToken(draft, token, place())));
  const consumed = list.state.consumed.some(({ jti }) => jti === token.jti);
  return { identity, token, outcome: added ? "added" : "known", consumed, created };
}

async function openOrCreate(
  options: BootstrapIdentityOptions,
  token: BootstrapToken,
  place: BootstrapPlace,
): Promise<Pick<BootstrappedIdentity, "identity" | "created">> {
  try {
    return { identity: await openIdentity(options), created: undefined };
  } catch (error) {
    if (!isCode(error, "identity_not_found")) throw error;
  }
  const problem = checkBootstrapToken(token, place);
  if (problem !== undefined) throw new AmeshError(problem);
  const maxControllers = maxControllersFromEnvironment(options.env);
  const settings = { ...options, friendlyName: token.name, maxControllers };
  const created = await createIdentity(settings).catch((error: unknown) => {
    // Several processes of one server may start at once.
    if (isCode(error, "identity_exists")) return undefined;
    throw error;
  });
  return { identity: await openIdentity(options), created };
}

/** Whoever sets the token may set this beside it. @throws AmeshError `invalid_option` */
function maxControllersFromEnvironment(env: Environment = process.env): number | undefined {
  const text = env["AMESH_MAX_CONTROLLERS"]?.trim();
  if (!text) return undefined;
  const most = /^[1-9][0-9]{0,3}$/.test(text) ? Number(text) : 0;
  if (most >= 1 && most <= 1000) return most;
  throw new AmeshError("invalid_option", `AMESH_MAX_CONTROLLERS is 1 to 1000, not ${quoteForeign(text)}.`);
}

const isCode = (error: unknown, code: AmeshError["code"]): boolean =>
  error instanceof AmeshError && error.code === code;
