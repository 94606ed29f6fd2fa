import { isJsonObject, type JsonObject, type JsonValue } from "./canonical-json.js";
import { canonicalString } from "./canonical-string.js";
import { readDelegation } from "./delegation.js";
import { fromBase64Url, utf8 } from "./encoding.js";
import { AmeshError } from "./errors.js";
import { readContentDigest } from "./http-signature/content-digest.js";
import { PublicKey } from "./public-key.js";

/** What a caller signed, kept so that somebody who trusts neither server nor log can check it. Plain data. */
export interface Evidence {
  readonly kind: EvidenceKind;
  /** The text that was signed: a canonical string (docs/protocol.md, 2.3), or a signature base (3.2). */
  readonly signed: string;
  /** Raw r‖s in base64url. */
  readonly signature: string;
  /** The device's key: the compressed point in base64. */
  readonly deviceKey: string;
  /** The `AuthMesh-Delegation` header, where a session key signed in the device's place. */
  readonly delegation?: string;
}

export type EvidenceKind = "authmesh" | "http-signature";

/** A request as an audit recorded it. */
export interface RecordedRequest {
  readonly method: string;
  readonly target: string;
  /** "sha256:" or "sha512:" and lower-case hex. */
  readonly bodyHash?: string;
}

export type EvidenceCheck =
  | {
      readonly holds: true;
      readonly deviceId: string /** Unix seconds, by the caller's clock. */;
      readonly signedAt: number;
    }
  | { readonly holds: false; readonly problem: string };

/**
 * Whether a device signed the request that an audit recorded (docs/protocol.md, section 13). It does not say that the
 * server accepted it, nor that the device was trusted then. Never throws.
 */
export function checkEvidence(evidence: Evidence, recorded: RecordedRequest): EvidenceCheck {
  const { kind, signed, deviceKey: key, signature: text, delegation = "" } = evidence;
  if ([kind, signed, key, text, delegation].some((part) => typeof part !== "string")) return unreadable;
  const deviceKey = PublicKey.tryBase64(key);
  const signature = fromBase64Url(text);
  const says = Object.hasOwn(readers, kind) ? readers[kind](signed, recorded) : undefined;
  if (deviceKey === undefined || signature === undefined || says === undefined) return unreadable;
  if (says.differs !== undefined)
    return { holds: false, problem: `What was signed is of another ${says.differs} than what was recorded.` };
  const signer = delegation === "" ? deviceKey : sessionKeyOf(delegation, deviceKey, says.signedAt);
  if (signer === undefined)
    return {
      holds: false,
      problem: "The delegation is not by this device, or not of the time of the request.",
    };
  if (!signer.verify(utf8(signed), signature))
    return { holds: false, problem: "The signature does not fit." };
  return { holds: true, deviceId: deviceKey.deviceId, signedAt: says.signedAt };
}

/**
 * Whether a device signed the request that an audit event of it tells of.
 *
 * @param data the event's `data`, as it was read from the audit
 * @returns undefined when the event holds no evidence
 */
export function checkEventEvidence({ evidence, request }: JsonObject): EvidenceCheck | undefined {
  if (evidence === undefined) return undefined;
  if (!isJsonObject(evidence) || !isRecordedRequest(request)) return unreadable;
  return checkEvidence(evidence as unknown as Evidence, request);
}

function isRecordedRequest(value: JsonValue | undefined): value is JsonObject & RecordedRequest {
  if (!isJsonObject(value)) return false;
  const { method, target, bodyHash = "" } = value;
  return [method, target, bodyHash].every((part) => typeof part === "string");
}

const unreadable = { holds: false, problem: "The evidence cannot be read." } as const;

interface Statement {
  readonly signedAt: number;
  /** What does not agree with the record. */
  readonly differs?: string;
}

type Reader = (signed: string, recorded: RecordedRequest) => Statement | undefined;

const readers: Readonly<Record<EvidenceKind, Reader>> = {
  authmesh(signed, { method, target, bodyHash }) {
    const [, , , timestamp = "", nonce = "", hash = ""] = signed.split("\n");
    const signedAt = Number(timestamp);
    if (!/^[1-9][0-9]{9,11}$/.test(timestamp)) return undefined;
    if (bodyHash !== undefined && bodyHash !== `sha256:${hash}`) return { signedAt, differs: "body" };
    const expected = canonicalString(method, target, timestamp, nonce, hash);
    return expected === signed ? { signedAt } : { signedAt, differs: "method or target" };
  },

  "http-signature"(signed, { method, target, bodyHash }) {
    const fields = new Map(signed.split("\n").map((line) => splitOnce(line)));
    const created = /;created=([1-9][0-9]{9,11})(?:;|$)/.exec(fields.get('"@signature-params"') ?? "")?.[1];
    if (created === undefined) return undefined;
    const signedAt = Number(created);
    if (fields.get('"@method"') !== method) return { signedAt, differs: "method" };
    const query = fields.get('"@query"') ?? "";
    if (`${fields.get('"@path"')}${query}` !== target) return { signedAt, differs: "target" };
    return bodyFits(fields.get('"content-digest"'), bodyHash) ? { signedAt } : { signedAt, differs: "body" };
  },
};

const splitOnce = (line: string): [string, string] => {
  const at = line.indexOf(": ");
  return [line.slice(0, at), line.slice(at + 2)];
};

/** Without a digest there was no body. */
function bodyFits(contentDigest: string | undefined, bodyHash: string | undefined): boolean {
  if (bodyHash === undefined) return true;
  if (contentDigest === undefined) return bodyHash === hashOfNothing;
  try {
    return readContentDigest([contentDigest]).some(
      ({ algorithm, hex }) => bodyHash === `${algorithm}:${hex}`,
    );
  } catch (error) {
    if (error instanceof AmeshError) return false;
    throw error;
  }
}

/** SHA-256 of no bytes, as it is recorded. */
const hashOfNothing = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/** What a verifier allows at most between two clocks, in seconds. */
const mostSkew = 300;

function sessionKeyOf(text: string, deviceKey: PublicKey, signedAt: number): PublicKey | undefined {
  const delegation = readDelegation(text);
  if ("code" in delegation || signedAt >= delegation.expiresAt) return undefined;
  if (signedAt < delegation.issuedAt - mostSkew) return undefined;
  return delegation.isSignedBy(deviceKey) ? delegation.sessionKey : undefined;
}
