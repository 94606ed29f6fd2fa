import type { JsonValue } from "../src/canonical-json.js";
import { createDelegation, fromBase64Url, SessionKey, toBase64Url } from "../src/index.js";
import { type Signable, type SignableRequest, signableDelegationProof } from "../src/signable.js";
import {
  type Call,
  type Device,
  laptop,
  noon,
  send,
  type Wire,
  withHeaders,
} from "./verification-fixture.js";

export interface DelegatedCall extends Call {
  readonly session?: SessionKey;
  /** Who delegates. Default: the laptop. */
  readonly by?: Device;
  /** In place of one that is made here. */
  readonly delegation?: string;
  readonly audience?: readonly string[];
  /** Unix seconds on the clock of who delegates. */
  readonly delegatedAt?: number;
  readonly lifetimeSeconds?: number;
}

export const delegate = (call: DelegatedCall = {}): Promise<string> =>
  createDelegation({
    device: call.by ?? laptop,
    session: call.session ?? SessionKey.generate(),
    audience: call.audience,
    lifetimeSeconds: call.lifetimeSeconds,
    now: () => (call.delegatedAt ?? noon) * 1000,
  });

/** A request that a session key signs. */
export async function sendDelegated(call: DelegatedCall = {}): Promise<Wire> {
  const session = call.session ?? SessionKey.generate();
  const delegation = call.delegation ?? (await delegate({ ...call, session }));
  const sign = async (message: SignableRequest) => session.sign(message);
  const wire = await send({ ...call, device: { publicKey: session.publicKey, sign } });
  return withHeaders(wire, { "authmesh-delegation": [delegation] });
}

type Json = Record<string, JsonValue>;

/** A delegation whose parts are changed before the device signs it again. */
export async function changed(
  text: string,
  change: { header?: (header: Json) => Json; payload?: (payload: Json) => Json; by?: Device },
): Promise<string> {
  const [header, payload] = text.split(".").slice(0, 2).map(decode) as [Json, Json];
  return resign(
    JSON.stringify(change.header?.(header) ?? header),
    JSON.stringify(change.payload?.(payload) ?? payload),
    change.by ?? laptop,
  );
}

/** Signs any header and payload, as only a device that has our private key in its hands can. */
export async function resign(header: string, payload: string, by: Device = laptop): Promise<string> {
  const input = [header, payload].map((part) => toBase64Url(new TextEncoder().encode(part))).join(".");
  return `${input}.${toBase64Url(await by.sign(new TextEncoder().encode(input) as Signable))}`;
}

/** The payload with a proof by `session` that fits it. */
export function proven(payload: Json, session: SessionKey): Json {
  const message = signableDelegationProof(
    String(payload["sub"]),
    String(payload["jti"]),
    Number(payload["exp"]),
  );
  return { ...payload, pop: toBase64Url(session.sign(message)) };
}

export const decode = (part: string): Json =>
  JSON.parse(new TextDecoder().decode(fromBase64Url(part) ?? new Uint8Array([0x7b, 0x7d])));
