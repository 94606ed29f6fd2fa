/** Who and what inputs are about: the device of the conformance vectors, its key, and requests written as text. */
import { createHash } from "node:crypto";
import {
  type IncomingRequest,
  type JsonValue,
  type JwsType,
  type NonceStore,
  PrivateKey,
  parseStrictJson,
  type Sign,
  signCompactJws,
  type TrustedDevice,
  type TrustStore,
} from "@authmesh/core";
import { createEd25519Signer, type IssuerKey, importIssuerKey } from "@authmesh/oath";

/** The moment of the vectors, in Unix seconds. */
export const noon = 1_743_160_800;
export const now = () => noon * 1000;

const keyOf = (hex: string) => PrivateKey.fromBytes(Buffer.from(hex, "hex"));
export const deviceKey = keyOf("d55e8e986832dfe6da50e2e5e3235e8eecfb8f9dab1cffda16461cc0c266c620");
export const sign: Sign = async (message) => deviceKey.sign(message);
export const device = { publicKey: deviceKey.publicKey, friendlyName: "till 1", sign };
export const otherKey = keyOf("1f88cbe0e1d6518d02b40006fbe7731231c2bd59e1c41ebcd7183b0198779c70");
export const issuerKey = createEd25519Signer(new Uint8Array(32).fill(7));
export const issuerKeys = [importIssuerKey({ ...issuerKey.publicJwk }).key as IssuerKey];

/** Trusts the device and nobody else. */
export const trust: TrustStore = {
  check: () => undefined,
  find: (key) => (key === entry.publicKey.base64 ? entry : undefined),
  findById: (id) => (id === entry.deviceId ? entry : undefined),
  isRevoked: () => false,
  audience: ["api.example.com"],
  onChange: () => () => {},
};
const entry: TrustedDevice = {
  deviceId: deviceKey.publicKey.deviceId,
  publicKey: deviceKey.publicKey,
  friendlyName: "till 1",
  role: "controller",
  status: "active",
  bound: true,
  scopes: { "*": "rw" },
};
/** Has seen none. */
export const nonces: NonceStore = { checkAndRecord: async () => true };

/** A statement by the device with any payload: what only its owner could send. */
export const signedByDevice = (typ: JwsType, payload: string): Promise<string> =>
  signCompactJws(typ, deviceKey.publicKey.deviceId, payloadOf(payload), sign);

/** What a text says as JSON; where it is none, the text. */
export const payloadOf = (input: string): JsonValue => parseStrictJson(input).value ?? input.toWellFormed();

/** `METHOD TARGET`, a line for each header, an empty line and the body. */
export function requestOf(input: string): IncomingRequest {
  const end = input.indexOf("\n\n");
  const [head, body] = end < 0 ? [input, ""] : [input.slice(0, end), input.slice(end + 2)];
  const [start = "", ...lines] = head.split("\n");
  const [, method = "", target = ""] = /^(\S*) (.*)$/s.exec(start) ?? [];
  const fields = lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, Math.max(0, colon)).toLowerCase(), line.slice(colon + 1).trim()] as const;
  });
  return {
    method,
    target,
    headers: (name) => fields.flatMap(([of, value]) => (of === name ? [value] : [])),
    hasBody: body !== "",
    bodyHash: async (_, algorithm = "sha256") => createHash(algorithm).update(body).digest("hex"),
  };
}
