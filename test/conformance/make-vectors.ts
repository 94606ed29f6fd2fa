import { createHash } from "node:crypto";
import { p256 } from "@noble/curves/nist.js";
import {
  bindings,
  type Case,
  cases,
  headerChanges,
  hosts,
  noon,
  refusedTargets,
  targets,
} from "./request-cases.js";

/**
 * vectors/request-1.json. Nothing in it comes from @authmesh/core: what has a canonical form is written out by hand
 * in request-cases.ts, the rest is hashed and signed here. Signatures are deterministic (RFC 6979), so that the
 * file comes out the same every time: `npx vitest run --project whole test/conformance/request.test.ts -u` writes it.
 */
export interface RequestVectors {
  readonly about: string;
  /** Private keys in hex, so that anybody can sign as the first of them did below; public keys in base64. */
  readonly keys: readonly { privateKey: string; publicKey: string; deviceId: string }[];
  readonly targets: readonly { target: string; canonical: string }[];
  readonly refusedTargets: readonly string[];
  readonly hosts: readonly { host: string; normal: string | null }[];
  readonly bindings: readonly {
    random: string;
    host: string;
    contentType: string;
    contentEncoding: string;
    nonce: string;
  }[];
  readonly requests: readonly RequestVector[];
  readonly headers: readonly { name: string; authorization: string; expected: string }[];
}

/** A request as it arrives at a verifier that trusts the first key and wants it to bind. */
export interface RequestVector {
  readonly name: string;
  /** Unix seconds on the verifier's clock. */
  readonly now: number;
  /** The verifier's one host. */
  readonly audience: string;
  readonly method: string;
  readonly target: string;
  /** The Host header. */
  readonly host: string;
  readonly contentType?: string;
  readonly contentEncoding?: string;
  /** Base64; absent when there is none. */
  readonly body?: string;
  readonly authorization: string;
  /** What was signed. */
  readonly signed: string;
  /** "accepted", or the code of the refusal. */
  readonly expected: string;
}

export const sha256 = (...parts: readonly (string | Uint8Array)[]): Buffer =>
  parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

export const privateKeys = [1, 2, 3].map((n) => sha256(`amesh vector key ${n}`));
export const publicKeys = privateKeys.map((key) => Buffer.from(p256.getPublicKey(key, true)));

export function makeRequestVectors(): RequestVectors {
  const requests = cases.map(makeRequest);
  const authorization = requests[0]?.authorization as string;
  return {
    about:
      "The amesh protocol, version 1: docs/protocol.md, sections 1 and 2. Private keys and random bytes are hex, bodies and public keys base64.",
    keys: privateKeys.map((privateKey, i) => {
      const publicKey = publicKeys[i] as Buffer;
      return {
        privateKey: privateKey.toString("hex"),
        publicKey: publicKey.toString("base64"),
        deviceId: `am_${sha256(publicKey).toString("base64url").slice(0, 16)}`,
      };
    }),
    targets: targets.map(([target, canonical]) => ({ target, canonical })),
    refusedTargets,
    hosts: hosts.map(([host, normal]) => ({ host, normal })),
    bindings: bindings.map(([random, host, contentType, contentEncoding]) => ({
      random,
      host,
      contentType,
      contentEncoding,
      nonce: boundNonce(Buffer.from(random, "hex"), host, contentType, contentEncoding),
    })),
    requests,
    headers: headerChanges.map(([name, change, expected]) => ({
      name,
      authorization: change(authorization),
      expected,
    })),
  };
}

export function boundNonce(random: Uint8Array, host: string, contentType = "", contentEncoding = ""): string {
  const tag = sha256(`AMv1-bind\n${host}\n${contentType}\n${contentEncoding}\n`, random).subarray(0, 8);
  return Buffer.concat([random, tag]).toString("base64url");
}

function makeRequest(request: Case): RequestVector {
  const { name, method = "GET", target = "/api/orders", host = "api.example.com" } = request;
  const { contentType, contentEncoding, body, arrives = {} } = request;
  const nonce =
    request.nonce === undefined
      ? boundNonce(sha256(name).subarray(0, 8), host, contentType, contentEncoding)
      : Buffer.from(request.nonce, "hex").toString("base64url");
  const bodyHash = sha256(body ?? "").toString("hex");
  const signed = `AMv1\n${method}\n${request.canonicalTarget ?? target}\n${noon}\n${nonce}\n${bodyHash}`;
  const id = publicKeys[request.id ?? 0]?.toString("base64");
  const signature = makeSignature(signed, privateKeys[request.signer ?? 0] as Buffer, request.signature);
  const { timestamp = noon, body: arrivingBody = body, ...changed } = arrives;
  return {
    name,
    now: noon,
    audience: host,
    method,
    target,
    host,
    ...(contentType === undefined ? {} : { contentType }),
    ...(contentEncoding === undefined ? {} : { contentEncoding }),
    ...(arrivingBody === undefined ? {} : { body: Buffer.from(arrivingBody).toString("base64") }),
    ...changed,
    authorization: `AuthMesh v="1",id="${id}",ts="${timestamp}",nonce="${nonce}",sig="${signature}"`,
    signed,
    expected: request.expected ?? "accepted",
  };
}

export function makeSignature(text: string, privateKey: Uint8Array, kind?: Case["signature"]): string {
  const order = p256.Point.Fn.ORDER;
  const low = p256.Signature.fromBytes(p256.sign(Buffer.from(text), privateKey));
  const scalars = {
    "low s": [low.r, low.s],
    "high s": [low.r, order - low.s],
    "r = s = 0": [0n, 0n],
    "s = n": [low.r, order],
  }[kind ?? "low s"];
  return Buffer.from(scalars.map((n) => n.toString(16).padStart(64, "0")).join(""), "hex").toString(
    "base64url",
  );
}
