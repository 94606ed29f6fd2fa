import { foreignSentence, isJsonObject, type JsonObject, type JsonValue, type Scopes } from "@authmesh/core";
import { accountText, enrollmentId, labelText, readRequestedScopes } from "@authmesh/core/enrollment";
import {
  deviceId,
  integer,
  listOf,
  Misfit,
  oneOf,
  optional,
  type Reader,
  type RecordOf,
  record,
  text,
  time,
  withCode,
} from "@authmesh/core/records";

/** docs/protocol.md, section 10.2. What is deleted has none. */
export type EnrollmentStatus = "pending" | "approved" | "denied" | "revoked" | "expired";

/** Whether the key is in a TPM (docs/protocol.md, section 12). */
export type EnrollmentAttestation = "none" | "claimed" | "proven";

/** An enrollment as the authority tells it to who may read it (docs/protocol.md, section 10.7). Times are Unix seconds. */
export interface EnrollmentInfo {
  /** `en_` and 16 characters. */
  readonly id: string;
  /** "@acme" */
  readonly account: string;
  readonly appName: string;
  readonly deviceName: string;
  readonly deviceId: string;
  /** The compressed point in standard base64. */
  readonly publicKey: string;
  readonly status: EnrollmentStatus;
  /** What is granted; what was asked for while it is pending. */
  readonly scopes: Scopes;
  /** What was asked for; `lifetime` in seconds. */
  readonly requested: { readonly scopes: Scopes; readonly lifetime?: number };
  readonly requestedAt: number;
  /** Where the request came from. */
  readonly address: string;
  readonly decidedAt?: number;
  /** Id of the enrollment that decided. */
  readonly decidedBy?: string;
  /** Id of the enrollment that approved it: what `cascade` goes by. */
  readonly approvedBy?: string;
  readonly reason?: string;
  /** When a pending request lapses, or an approved enrollment ends. Absent: never. */
  readonly expiresAt?: number;
  readonly lastUsedAt?: number;
  readonly attestation: EnrollmentAttestation;
  /** Of the TPM, as its certificate names it; only where that is proven. */
  readonly maker?: string;
  /** Why it is claimed and not proven: a sentence. */
  readonly unproven?: string;
  /** The comparison code, six digits; only while it is pending. */
  readonly code?: string;
  /** Ids of enrollments with the same names; only while it is pending. */
  readonly conflicts?: readonly string[];
}

/** What the authority tells who holds the key of an enrollment (docs/protocol.md, section 10.6). */
export interface EnrollmentOutcome {
  readonly id: string;
  readonly status: EnrollmentStatus;
  readonly reason?: string;
  /** What is granted; only of one that is approved. */
  readonly scopes?: Scopes;
  /** Unix seconds. */
  readonly expiresAt?: number;
}

/** Of what another machine tells only the members that are read; a later authority may tell more. */
const told =
  <S extends Readonly<Record<string, Reader<unknown>>>>(shape: S): Reader<RecordOf<S>> =>
  (value, at) => {
    const known = isJsonObject(value)
      ? Object.fromEntries(Object.entries(value).filter(([name]) => Object.hasOwn(shape, name)))
      : value;
    return record(shape)(known, at);
  };

/** Other people's words, fit to be shown. */
const line: Reader<string> = (value, at) => {
  const shown = foreignSentence(value);
  if (shown === undefined) throw new Misfit(`${at} is not text`);
  return shown;
};

const statuses = ["pending", "approved", "denied", "revoked", "expired"] as const;
export const enrollmentStatus = oneOf(...statuses);

/** Where the key is, as far as the authority knows. */
export const attestationShape = {
  attestation: oneOf("none", "claimed", "proven"),
  maker: optional(line),
  unproven: optional(line),
};

const enrollmentShape = {
  id: enrollmentId,
  account: accountText,
  appName: labelText,
  deviceName: labelText,
  deviceId,
  publicKey: text(/^[A-Za-z0-9+/]{44}$/, "a public key in base64"),
  status: enrollmentStatus,
  scopes: readRequestedScopes,
  requested: told({ scopes: readRequestedScopes, lifetime: optional(integer(1, Number.MAX_SAFE_INTEGER)) }),
  requestedAt: time,
  address: line,
  decidedAt: optional(time),
  decidedBy: optional(enrollmentId),
  approvedBy: optional(enrollmentId),
  reason: optional(line),
  expiresAt: optional(time),
  lastUsedAt: optional(time),
  ...attestationShape,
  code: optional(text(/^\d{6}$/, "six digits")),
  conflicts: optional(listOf(enrollmentId, 1000)),
};

export const enrollmentInfo: Reader<EnrollmentInfo> = told(enrollmentShape);

/** As it is told of a change, which may be its end. */
export const watchedEnrollment = told({ ...enrollmentShape, status: oneOf(...statuses, "deleted") });

export const outcome: Reader<EnrollmentOutcome> = told({
  id: enrollmentId,
  status: enrollmentStatus,
  reason: optional(line),
  scopes: optional(readRequestedScopes),
  expiresAt: optional(time),
});

/** One member of an answer. @throws AmeshError `service_error` */
export const readMember = <T>(body: JsonObject, name: string, reader: Reader<T>): T =>
  readTold((value) => {
    if (value === undefined) throw new Misfit(`${name} is missing`);
    return reader(value, name);
  }, body[name]);

/** The members of a shape, of an answer. @throws AmeshError `service_error` */
export const readMembers = <S extends Readonly<Record<string, Reader<unknown>>>>(
  body: JsonValue,
  shape: S,
): RecordOf<S> => readTold(told(shape), body);

/** A list of shapes, the one member of an answer. @throws AmeshError `service_error` */
export const toldList = <S extends Readonly<Record<string, Reader<unknown>>>>(
  body: JsonObject,
  name: string,
  shape: S,
): readonly RecordOf<S>[] => readMember(body, name, listOf(told(shape), 10_000));

export const readTold = <T>(reader: (value: JsonValue, at: string) => T, body: JsonValue | undefined): T =>
  withCode(
    () => reader(body as JsonValue, ""),
    "service_error",
    "The authority's answer",
    "Check the authority's URL.",
  );
