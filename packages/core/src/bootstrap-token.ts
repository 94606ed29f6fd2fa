import { crypto } from "#crypto";
import type { JsonValue } from "./canonical-json.js";
import { type CompactJws, hasMembers, readCompactJws, signCompactJws } from "./compact-jws.js";
import { concatBytes, fromBase64Url, toBase64Url, utf8 } from "./encoding.js";
import { AmeshError, type Failure, failure, quoteForeign } from "./errors.js";
import { friendlyName } from "./friendly-name.js";
import { withoutTrailingDot } from "./host-binding.js";
import type { Random } from "./key-agreement.js";
import { PublicKey } from "./public-key.js";
import type { Sign } from "./signable.js";

export interface BootstrapTokenOptions {
  /** The machine that will call: its key signs the token. */
  readonly controller: {
    readonly publicKey: PublicKey;
    readonly friendlyName: string;
    readonly sign: Sign;
  };
  /** What the new machine is to be called. */
  readonly name: string;
  /** URL of the relay at which the controller may wait. */
  readonly relay: string;
  /** The only machine that may use it, by its host name. Default: any. */
  readonly host?: string | undefined;
  /** 1 to 86,400. Default 3,600. */
  readonly lifetimeSeconds?: number | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
  readonly random?: Random | undefined;
}

/** What a bootstrap token says. Its signature fits the key in it; whose key that is, the token alone says. */
export interface BootstrapToken {
  /** A secret between whoever made it and whoever holds it: by it the two recognise each other at the relay. */
  readonly jti: string;
  readonly controller: { readonly publicKey: PublicKey; readonly friendlyName: string };
  /** What the new machine is to be called. */
  readonly name: string;
  readonly relay: string;
  /** Undefined where any machine may use it. */
  readonly host: string | undefined;
  /** Unix seconds. */
  readonly issuedAt: number;
  /** Unix seconds; over when they are reached. */
  readonly expiresAt: number;
}

const typ = "amesh-bootstrap+jwt";
const longest = 2048;
const longestLife = 86_400;
/** How far ahead the controller's clock may be, in seconds. */
const leeway = 30;
const relayPattern = /^wss?:\/\/[\x21-\x7e]{1,500}$/;
const hostPattern = /^[a-z0-9._-]{1,253}$/;

/**
 * A token by which a new machine takes its first controller in without a pairing (docs/protocol.md, section 7). It
 * gives no access to whoever steals it; it gives whoever can put another in its place the new machine.
 *
 * @throws AmeshError `invalid_name`, `invalid_option` for a host or a relay that is none; what `sign` throws
 * @throws TypeError for a lifetime that no machine accepts
 */
export async function createBootstrapToken(options: BootstrapTokenOptions): Promise<string> {
  const { controller, relay, lifetimeSeconds = 3600 } = options;
  if (!isLifetime(lifetimeSeconds))
    throw new TypeError(`A bootstrap token lives 1 to ${longestLife} seconds, not ${lifetimeSeconds}.`);
  if (!relayPattern.test(relay))
    throw new AmeshError("invalid_option", `${quoteForeign(relay)} is not the URL of a relay.`);
  const host = options.host === undefined ? undefined : normalHost(options.host);
  if (host !== undefined && !hostPattern.test(host))
    throw new AmeshError("invalid_option", `${quoteForeign(host)} is not the host name of a machine.`);
  const { deviceId, base64 } = controller.publicKey;
  const iat = Math.floor((options.now ?? Date.now)() / 1000);
  const claims = {
    iss: deviceId,
    public_key: base64,
    controller: friendlyName(controller.friendlyName),
    jti: toBase64Url((options.random ?? crypto.randomBytes)(16)),
    iat,
    exp: iat + lifetimeSeconds,
    name: friendlyName(options.name),
    relay,
    single_use: true,
    scope: "peer:add",
  };
  return signCompactJws(typ, deviceId, host === undefined ? claims : { ...claims, host }, controller.sign);
}

/**
 * Reads a bootstrap token and checks that the key in it signed it. Whether it is good here and now is for
 * `checkBootstrapToken` and the allow list to say. Never throws.
 *
 * @returns the token, or the failure `bootstrap_token_invalid`, in which no part of the token is repeated
 */
export function readBootstrapToken(text: string): BootstrapToken | Failure {
  const { jws } = readCompactJws(text, typ, longest);
  // Why it cannot be read may quote it, and it is a secret.
  return jws === undefined ? invalid(`it is not a signed token of the type ${typ}`) : readClaims(jws);
}

/**
 * Whether a token is good at this time on a machine of these names; undefined when it is.
 *
 * @param now Unix seconds
 * @param hosts what the machine is called; upper and lower case are one
 * @returns the failure `bootstrap_token_expired` or `bootstrap_host_mismatch`
 */
export function checkBootstrapToken(
  { issuedAt, expiresAt, host }: BootstrapToken,
  { now, hosts }: { readonly now: number; readonly hosts: readonly string[] },
): Failure | undefined {
  if (now >= expiresAt)
    return failure("bootstrap_token_expired", `The bootstrap token ended ${now - expiresAt} seconds ago.`);
  if (issuedAt > now + leeway) {
    const detail = `The bootstrap token begins ${issuedAt - now} seconds from now: one of the two clocks is wrong.`;
    return failure("bootstrap_token_expired", detail);
  }
  if (host === undefined || hosts.some((name) => normalHost(name) === host)) return undefined;
  const names = hosts.map(quoteForeign).join(", ");
  const detail = `The bootstrap token is for ${quoteForeign(host)}; this machine is called ${names}.`;
  return failure("bootstrap_host_mismatch", detail);
}

/** The code under which controller and new machine meet at the relay: 22 characters that do not tell the `jti`. */
export function bootstrapMeetingCode(jti: string): string {
  return toBase64Url(crypto.sha256(concatBytes(utf8("amesh/boot/1 otc"), utf8(jti))).subarray(0, 16));
}

const members = [
  "iss",
  "public_key",
  "controller",
  "jti",
  "iat",
  "exp",
  "name",
  "relay",
  "single_use",
  "scope",
] as const;

function readClaims({ kid, payload, signingInput, signature }: CompactJws): BootstrapToken | Failure {
  // A member that is not known here may be one that narrows what the token is good for.
  if (!hasMembers(payload, members, ["host"]))
    return invalid(`its members are not exactly ${members.join(", ")} and perhaps host`);
  const { iss, jti, iat, exp, relay, host } = payload;
  const publicKey = readKey(payload["public_key"]);
  if (publicKey === undefined || iss !== publicKey.deviceId || kid !== iss)
    return invalid("kid, iss and public_key are not of one device");
  if (!publicKey.verify(signingInput, signature)) return invalid("its signature does not fit");
  if (payload["scope"] !== "peer:add" || payload["single_use"] !== true)
    return invalid("it is not for adding a controller once");
  if (typeof jti !== "string" || jti.length !== 22 || fromBase64Url(jti) === undefined)
    return invalid("its jti is not 16 bytes of base64url");
  if (!isSeconds(iat) || !isSeconds(exp) || !isLifetime(exp - iat))
    return invalid(`iat and exp are not Unix seconds, the second 1 to ${longestLife} above the first`);
  if (typeof relay !== "string" || !relayPattern.test(relay)) return invalid("its relay is not a URL of one");
  if (host !== undefined && !(typeof host === "string" && hostPattern.test(host)))
    return invalid("its host is not the name of one");
  const [name, controllerName] = [cleanName(payload["name"]), cleanName(payload["controller"])];
  if (name === undefined || controllerName === undefined) return invalid("a name in it is not one");
  return {
    jti,
    controller: { publicKey, friendlyName: controllerName },
    name,
    relay,
    host,
    issuedAt: iat,
    expiresAt: exp,
  };
}

/** Spelt in one way: standard base64. */
const readKey = (text: JsonValue | undefined) => {
  const publicKey = orNothing(text, PublicKey.fromBase64);
  return publicKey?.base64 === text ? publicKey : undefined;
};
const cleanName = (text: JsonValue | undefined) => orNothing(text, friendlyName);

/** What is made of a text; undefined for what is no text, or not one of which it can be made. */
function orNothing<T>(text: JsonValue | undefined, read: (text: string) => T): T | undefined {
  try {
    return typeof text === "string" ? read(text) : undefined;
  } catch (error) {
    if (error instanceof AmeshError) return undefined;
    throw error;
  }
}

const normalHost = (host: string): string => withoutTrailingDot(host).toLowerCase();

const isSeconds = (value: JsonValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value > 0;

const isLifetime = (seconds: number): boolean =>
  Number.isInteger(seconds) && seconds >= 1 && seconds <= longestLife;

const invalid = (why: string): Failure =>
  failure("bootstrap_token_invalid", `The bootstrap token cannot be used: ${why}.`);
