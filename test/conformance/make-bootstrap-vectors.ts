import { makeSignature, privateKeys, publicKeys, sha256 } from "./make-vectors.js";
import { noon } from "./request-cases.js";

/**
 * vectors/bootstrap-1.json, made as request-1.json is: nothing in it comes from @authmesh/core.
 * `npx vitest run --project whole test/conformance/bootstrap.test.ts -u` writes it.
 */
export interface BootstrapVectors {
  readonly about: string;
  readonly controller: { readonly privateKey: string; readonly publicKey: string; readonly deviceId: string };
  readonly jti: string;
  /** The code at the relay. */
  readonly otc: string;
  /** What both see of each other there, in hex, and the transcript hash over it. */
  readonly meeting: {
    readonly commitment: string;
    readonly targetShare: string;
    readonly controllerShare: string;
    readonly transcript: string;
  };
  readonly tokens: readonly BootstrapVector[];
}

/** A token as it comes to a machine of these names. */
export interface BootstrapVector {
  readonly name: string;
  /** Unix seconds on the machine's clock. */
  readonly now: number;
  readonly hosts: readonly string[];
  readonly token: string;
  /** "accepted", or the code of the refusal. */
  readonly expected: string;
}

const [controllerKey, otherKey] = privateKeys as [Buffer, Buffer];
const [controllerPublic, otherPublic] = publicKeys as [Buffer, Buffer];
const idOf = (publicKey: Uint8Array) => `am_${sha256(publicKey).toString("base64url").slice(0, 16)}`;
const deviceId = idOf(controllerPublic);
const jti = sha256("amesh vector bootstrap").subarray(0, 16).toString("base64url");
const text64 = (text: string) => Buffer.from(text).toString("base64url");

interface Case {
  readonly name: string;
  readonly header?: object;
  readonly claims?: Readonly<Record<string, unknown>>;
  /** Who signs, in place of the controller. */
  readonly signer?: Buffer;
  readonly change?: (token: string) => string;
  readonly now?: number;
  readonly hosts?: readonly string[];
  readonly expected?: string;
}

const [refused, ended, elsewhere] = [
  "bootstrap_token_invalid",
  "bootstrap_token_expired",
  "bootstrap_host_mismatch",
];
const ofOther = { iss: idOf(otherPublic), public_key: otherPublic.toString("base64") };
const cases: readonly Case[] = [
  { name: "a token for an hour" },
  { name: "in its last second", now: noon + 3599 },
  { name: "of a controller 30 seconds ahead", now: noon - 30 },
  { name: "for a day", claims: { exp: noon + 86_400 }, now: noon + 86_399 },
  { name: "for this host", claims: { host: "api-1" } },
  {
    name: "for this host, which has a dot at its end and capitals",
    claims: { host: "api-1" },
    hosts: ["API-1."],
  },
  { name: "for one of the names of this host", claims: { host: "api-1" }, hosts: ["other", "api-1"] },
  { name: "ended", now: noon + 3600, expected: ended },
  { name: "beginning in 31 seconds", now: noon - 31, expected: ended },
  { name: "for another host", claims: { host: "api-2" }, expected: elsewhere },
  { name: "for a host that this one's name begins with", claims: { host: "api" }, expected: elsewhere },
  { name: "for a day and a second", claims: { exp: noon + 86_401 }, expected: refused },
  { name: "for no time", claims: { exp: noon }, expected: refused },
  { name: "with a member more", claims: { scopes: "*:rw" }, expected: refused },
  { name: "for another purpose", claims: { scope: "peer:remove" }, expected: refused },
  { name: "for many uses", claims: { single_use: false }, expected: refused },
  { name: "with a jti of 15 bytes", claims: { jti: "A".repeat(20) }, expected: refused },
  { name: "with a jti that has bits to spare", claims: { jti: `${"A".repeat(21)}B` }, expected: refused },
  { name: "with a relay that is none", claims: { relay: "https://relay.example/ws" }, expected: refused },
  { name: "with a host in capitals", claims: { host: "API-1" }, expected: refused },
  { name: "with an empty name", claims: { name: "" }, expected: refused },
  { name: "of a foreign typ", header: { typ: "amesh-delegation+jwt" }, expected: refused },
  { name: "with alg none", header: { alg: "none" }, expected: refused },
  { name: "with kid of another device", header: { kid: idOf(otherPublic) }, expected: refused },
  { name: "signed by another key", signer: otherKey, expected: refused },
  { name: "with another key in it", claims: ofOther, header: { kid: ofOther.iss }, expected: refused },
  {
    name: "with the key in base64url",
    claims: { public_key: controllerPublic.toString("base64url") },
    expected: refused,
  },
  { name: "with a line end", change: (text) => `${text}\n`, expected: refused },
  { name: "with a fourth part", change: (text) => `${text}.`, expected: refused },
];

export function makeBootstrapVectors(): BootstrapVectors {
  const [targetShare, controllerShare] = [share(otherPublic, "nT"), share(controllerPublic, "nC")];
  const commitment = sha256("amesh/pair/1 commit", controllerShare);
  return {
    about:
      "The amesh protocol, version 1: docs/protocol.md, section 7. Private keys are hex, public keys base64.",
    controller: {
      privateKey: controllerKey.toString("hex"),
      publicKey: controllerPublic.toString("base64"),
      deviceId,
    },
    jti,
    otc: sha256("amesh/boot/1 otc", jti).subarray(0, 16).toString("base64url"),
    meeting: {
      commitment: commitment.toString("hex"),
      targetShare: targetShare.toString("hex"),
      controllerShare: controllerShare.toString("hex"),
      transcript: sha256("amesh/pair/1", jti, commitment, targetShare, controllerShare).toString("hex"),
    },
    tokens: cases.map(({ name, now = noon, hosts = ["api-1"], expected = "accepted", ...more }) => ({
      name,
      now,
      hosts,
      token: makeToken(more),
      expected,
    })),
  };
}

const share = (publicKey: Uint8Array, nonce: string) => Buffer.concat([publicKey, sha256(nonce)]);

function makeToken({ header, claims, signer, change }: Omit<Case, "name">): string {
  const payload = {
    iss: deviceId,
    public_key: controllerPublic.toString("base64"),
    controller: "Dev Laptop",
    jti,
    iat: noon,
    exp: noon + 3600,
    name: "prod-server",
    relay: "wss://relay.example/ws",
    single_use: true,
    scope: "peer:add",
    ...claims,
  };
  const head = { typ: "amesh-bootstrap+jwt", alg: "ES256", kid: deviceId, ...header };
  const input = `${text64(JSON.stringify(head))}.${text64(JSON.stringify(payload))}`;
  const token = `${input}.${makeSignature(input, signer ?? controllerKey)}`;
  return change?.(token) ?? token;
}
