import { readCompactJws, signCompactJws } from "./compact-jws.js";
import { fromBase64 } from "./encoding.js";
import { deviceIdOf, PublicKey } from "./public-key.js";
import {
  deviceId,
  integer,
  Misfit,
  oneOf,
  optional,
  type RecordOf,
  reasonText,
  record,
  text,
  time,
} from "./records.js";
import type { Sign } from "./signable.js";

const shape = {
  iss: deviceId,
  key: text(/^[\w+/-]{44}$/, "a public key in base64"),
  seq: integer(1, Number.MAX_SAFE_INTEGER),
  iat: time,
  action: oneOf("revoke", "unrevoke"),
  device: deviceId,
  reason: optional(reasonText),
};
const readPayload = record(shape);

type Payload = RecordOf<typeof shape>;

/** That a device revokes another one, or takes that back: read, and not verified. */
export interface DeviceRevocation extends Readonly<Pick<Payload, "seq" | "iat" | "action" | "device">> {
  /** The device id of who revokes, and the key that it is made of: base64, and not looked at whether it is one. */
  readonly signer: string;
  readonly key: string;
  readonly reason?: string;
  /** Whether the signer signed it. The first thing that costs more than a hash. */
  isSigned(): boolean;
}

/** Whom to revoke, and the number of the statement: higher than any before by the same signer on the same device. */
export interface DeviceRevocationOptions extends Pick<Payload, "seq" | "action" | "device"> {
  /** A line of at most 256 characters. */
  readonly reason?: string | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

const typ = "amesh-revocation+jwt";
export const longestDeviceRevocation = 2048;

/**
 * The statement by which a device revokes another one for a fleet (docs/protocol.md, section 9.5).
 *
 * @throws TypeError for what no reader would take
 */
export async function createDeviceRevocation(
  signer: { readonly publicKey: PublicKey; readonly sign: Sign },
  { reason, now = Date.now, ...said }: DeviceRevocationOptions,
): Promise<string> {
  const { deviceId, base64 } = signer.publicKey;
  const payload = {
    iss: deviceId,
    key: base64,
    iat: Math.floor(now() / 1000),
    ...said,
    ...(reason === undefined ? {} : { reason }),
  };
  try {
    readPayload(payload, "");
  } catch (cause) {
    throw new TypeError(`This revokes nothing: ${(cause as Error).message}.`, { cause });
  }
  return signCompactJws(typ, deviceId, payload, signer.sign);
}

/**
 * Reads such a statement. Nothing is verified before `isSigned` is asked, so that whom nobody believes costs little. Never throws.
 *
 * @returns why it is none, in half a sentence, for a text that is no such statement
 */
export function readDeviceRevocation(jwsText: string): DeviceRevocation | string {
  const { jws, problem } = readCompactJws(jwsText, typ, longestDeviceRevocation);
  if (jws === undefined) return problem;
  const { kid, signingInput, signature } = jws;
  let payload: Payload;
  try {
    payload = readPayload(jws.payload, "");
  } catch (error) {
    if (error instanceof Misfit) return error.message;
    throw error;
  }
  const { iss, key, ...said } = payload;
  const point = fromBase64(key);
  if (point === undefined || deviceIdOf(point) !== iss || iss !== kid)
    return "kid, iss and key are not of one device";
  const isSigned = () => PublicKey.tryBase64(key)?.verify(signingInput, signature) ?? false;
  return { ...said, signer: iss, key, isSigned };
}
