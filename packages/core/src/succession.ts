import { isJsonObject } from "./canonical-json.js";
import { hasMembers, readCompactJws, signCompactJws } from "./compact-jws.js";
import { PublicKey } from "./public-key.js";
import type { Sign } from "./signable.js";

/** What a device's key says of the key that takes its place, read and not verified. */
export interface Succession {
  /** The device that has a successor, as it calls itself. */
  readonly deviceId: string;
  readonly successor: PublicKey;
  isSignedBy(deviceKey: PublicKey): boolean;
}

const typ = "amesh-succession+jwt";
const longest = 1024;

/**
 * The statement by which the key of a device names the key that is to take its place on this machine
 * (docs/protocol.md, section 11.15).
 *
 * @param now milliseconds since the epoch
 */
export function createSuccession(
  device: { readonly publicKey: PublicKey; readonly sign: Sign },
  successor: PublicKey,
  now: () => number = Date.now,
): Promise<string> {
  const { deviceId } = device.publicKey;
  const iat = Math.floor(now() / 1000);
  return signCompactJws(
    typ,
    deviceId,
    { iss: deviceId, sub: successor.deviceId, key: successor.base64, iat },
    device.sign,
  );
}

/** @returns undefined for a text that is no such statement */
export function readSuccession(text: string): Succession | undefined {
  const { jws } = readCompactJws(text, typ, longest);
  if (jws === undefined || !isJsonObject(jws.payload)) return undefined;
  const { kid, payload, signingInput, signature } = jws;
  const { iss, sub, key } = payload;
  if (!hasMembers(payload, ["iss", "sub", "key", "iat"]) || iss !== kid || typeof key !== "string")
    return undefined;
  const successor = PublicKey.tryBase64(key);
  if (successor?.deviceId !== sub) return undefined;
  return {
    deviceId: kid,
    successor: successor as PublicKey,
    isSignedBy: (deviceKey) => deviceKey.deviceId === kid && deviceKey.verify(signingInput, signature),
  };
}
