import { p256 } from "@noble/curves/nist.js";
import { boundNonce, makeSignature, privateKeys, publicKeys, sha256 } from "./make-vectors.js";
import { noon } from "./request-cases.js";

/**
 * vectors/delegation-1.json, made as request-1.json is: nothing in it comes from @authmesh/core.
 * `npx vitest run --project whole test/conformance/delegation.test.ts -u` writes it.
 */
export interface DelegationVectors {
  readonly about: string;
  readonly device: { readonly privateKey: string; readonly publicKey: string; readonly deviceId: string };
  readonly session: { readonly privateKey: string; readonly publicKey: string };
  readonly requests: readonly DelegationVector[];
}

/** A request by the session key, as it arrives at a verifier that trusts the device and answers to one host. */
export interface DelegationVector {
  readonly name: string;
  /** Unix seconds on the verifier's clock. */
  readonly now: number;
  readonly audience: string;
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly delegation: string;
  readonly authorization: string;
  /** "accepted", or the code of the refusal. */
  readonly expected: string;
}

const [deviceKey, sessionKey, otherKey] = privateKeys as [Buffer, Buffer, Buffer];
const [devicePublic, sessionPublic, otherPublic] = publicKeys as [Buffer, Buffer, Buffer];
const idOf = (publicKey: Uint8Array) => `am_${sha256(publicKey).toString("base64url").slice(0, 16)}`;
const deviceId = idOf(devicePublic);
const jti = sha256("amesh vector jti").subarray(0, 16).toString("base64url");
const text64 = (text: string) => Buffer.from(text).toString("base64url");

function jwkOf(publicKey: Uint8Array) {
  const point = Buffer.from(p256.Point.fromBytes(publicKey).toBytes(false));
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((half) => half.toString("base64url"));
  return { kty: "EC", crv: "P-256", x, y };
}

interface Case {
  readonly name: string;
  readonly header?: object;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Who signs, in place of the device and of the session key. */
  readonly signer?: Buffer;
  readonly prover?: Buffer;
  /** What is proved, in place of what the claims say. */
  readonly proved?: string;
  /** Whose key the request is signed by. */
  readonly caller?: { readonly private: Buffer; readonly public: Buffer };
  readonly change?: (delegation: string) => string;
  readonly now?: number;
  readonly expected?: string;
}

const otherId = idOf(otherPublic);
const refused = "delegation_invalid";
const cases: readonly Case[] = [
  { name: "a delegation for 300 seconds" },
  { name: "in its last second", now: noon + 299, claims: { exp: noon + 300 } },
  { name: "of a device 30 seconds ahead", claims: { iat: noon + 30, exp: noon + 330 } },
  { name: "for this host among others", claims: { aud: ["other.example", "api.example.com"] } },
  { name: "with white space between its members", change: (text) => respaced(text) },
  { name: "ended", now: noon + 300, expected: refused },
  { name: "beginning in 31 seconds", claims: { iat: noon + 31, exp: noon + 331 }, expected: refused },
  { name: "of 301 seconds", claims: { exp: noon + 301 }, expected: refused },
  { name: "of no second", claims: { exp: noon }, expected: refused },
  { name: "for another host", claims: { aud: ["other.example"] }, expected: refused },
  { name: "with aud as one text", claims: { aud: "api.example.com" }, expected: refused },
  { name: "with a member more", claims: { scope: "*:rw" }, expected: refused },
  { name: "of a foreign typ", header: { typ: "JWT" }, expected: refused },
  { name: "with alg none", header: { alg: "none" }, expected: refused },
  { name: "with crit", header: { crit: ["exp"] }, expected: refused },
  { name: "with kid of another device", header: { kid: otherId }, expected: refused },
  { name: "signed by another key", signer: otherKey, expected: refused },
  { name: "proved by another key", prover: otherKey, expected: refused },
  {
    name: "proved for another end",
    proved: `amesh/delegation/1\n${deviceId}\n${jti}\n${noon + 299}`,
    expected: refused,
  },
  {
    name: "for another key than the request's",
    caller: { private: otherKey, public: otherPublic },
    expected: refused,
  },
  {
    name: "by a device that is not known",
    header: { kid: otherId },
    claims: { iss: otherId, sub: otherId },
    signer: otherKey,
    expected: "device_unknown",
  },
  { name: "with padding", change: (text) => `${text}==`, expected: refused },
  { name: "with a fourth part", change: (text) => `${text}.`, expected: refused },
];

export function makeDelegationVectors(): DelegationVectors {
  return {
    about:
      "The amesh protocol, version 1: docs/protocol.md, section 4. Private keys are hex, public keys base64.",
    device: {
      privateKey: deviceKey.toString("hex"),
      publicKey: devicePublic.toString("base64"),
      deviceId,
    },
    session: { privateKey: sessionKey.toString("hex"), publicKey: sessionPublic.toString("base64") },
    requests: cases.map(makeRequest),
  };
}

function makeRequest(vector: Case): DelegationVector {
  const { name, now = noon, expected = "accepted", change = (text: string) => text } = vector;
  const [method, target, host] = ["GET", "/api/orders", "api.example.com"];
  const caller = vector.caller ?? { private: sessionKey, public: sessionPublic };
  const nonce = boundNonce(sha256(name).subarray(0, 8), host);
  const signed = `AMv1\n${method}\n${target}\n${now}\n${nonce}\n${sha256("").toString("hex")}`;
  const id = caller.public.toString("base64");
  const sig = makeSignature(signed, caller.private);
  const authorization = `AuthMesh v="1",id="${id}",ts="${now}",nonce="${nonce}",sig="${sig}"`;
  return {
    name,
    now,
    audience: host,
    method,
    target,
    host,
    delegation: change(makeDelegation(vector)),
    authorization,
    expected,
  };
}

function makeDelegation({ header, claims, signer, prover, proved }: Case): string {
  const said = {
    iss: deviceId,
    sub: deviceId,
    iat: noon,
    exp: noon + 300,
    jti,
    cnf: { jwk: jwkOf(sessionPublic) },
    ...claims,
  };
  const proof = proved ?? `amesh/delegation/1\n${said.sub}\n${said.jti}\n${said.exp}`;
  const payload = { ...said, pop: makeSignature(proof, prover ?? sessionKey) };
  const head = { typ: "amesh-delegation+jwt", alg: "ES256", kid: deviceId, ...header };
  return signed(JSON.stringify(head), JSON.stringify(payload), signer);
}

const signed = (head: string, payload: string, signer = deviceKey): string => {
  const input = `${text64(head)}.${text64(payload)}`;
  return `${input}.${makeSignature(input, signer)}`;
};

function respaced(delegation: string): string {
  const [head = "", payload = ""] = delegation
    .split(".")
    .map((part) => Buffer.from(part, "base64url").toString());
  return signed(head.replaceAll(":", " : "), payload.replaceAll(",", ",\n "));
}
