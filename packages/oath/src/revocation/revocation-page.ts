import { AmeshError, isJsonObject, type JsonObject, type JsonValue } from "@authmesh/core";
import type { RevocationChange, RevocationKey, RevocationSubject } from "../revocation.js";
import { revocationSubjects } from "./revocation-keys.js";

/** One answer of an issuer to the question what changed (docs/protocol.md, section 8.7). */
export interface RevocationPage {
  readonly log: string;
  /** The reader knows everything up to this one. */
  readonly generation: number;
  readonly more: boolean;
  readonly changes: readonly RevocationChange[];
}

/**
 * @param after the generation that was asked for
 * @throws AmeshError `revocation_unavailable` for what is none, or of another issuer
 */
export function readRevocationPage(
  value: JsonValue | undefined,
  issuer: string,
  after: number,
): RevocationPage {
  if (!isJsonObject(value)) throw unusable("it is no list");
  const { issuer: named, log, generation, more, revocations } = value;
  if (named !== issuer) throw unusable("it is of another issuer");
  if (typeof log !== "string" || !/^[\w-]{8,64}$/.test(log)) throw unusable("its log has no name");
  if (!isWhole(generation) || generation < after) throw unusable("its generation goes back");
  if (typeof more !== "boolean" || (more && generation === after)) throw unusable("it does not go on");
  if (!Array.isArray(revocations)) throw unusable("it holds no changes");
  let last = after;
  const changes = (revocations as readonly JsonValue[]).map((each) => {
    const change = readChange(each, issuer);
    if (change === undefined || change.generation <= last || change.generation > generation)
      throw unusable("it holds a change that cannot be read, or out of order");
    last = change.generation;
    return change;
  });
  return { log, generation, more, changes };
}

/** A change as an issuer publishes it. */
export function writeChange(change: RevocationChange): JsonObject {
  const { generation } = change;
  if ("removed" in change) {
    const { by, value } = change.removed;
    return { generation, by, value, removed: true };
  }
  const { by, value, reason, actor, at, expiresAt } = change.revocation;
  const expiry = expiresAt === undefined ? {} : { expiresAt };
  return { generation, by, value, reason, actor, at, ...expiry };
}

/** @returns undefined for what is none */
export function readChange(value: JsonValue, issuer: string): RevocationChange | undefined {
  if (!isJsonObject(value) || !isWhole(value["generation"])) return undefined;
  const { generation, removed } = value;
  const key = readKey(value, issuer);
  if (key === undefined || (removed !== undefined && removed !== true)) return undefined;
  if (removed) return { generation, removed: key };
  const { reason = "", actor = "", at, expiresAt } = value;
  if (!isText(reason, 256) || !isText(actor, 128) || !isWhole(at)) return undefined;
  if (expiresAt === undefined) return { generation, revocation: { ...key, reason, actor, at } };
  return isWhole(expiresAt)
    ? { generation, revocation: { ...key, reason, actor, at, expiresAt } }
    : undefined;
}

function readKey({ by, value }: JsonObject, issuer: string): RevocationKey | undefined {
  if (typeof by !== "string" || !Object.hasOwn(revocationSubjects, by)) return undefined;
  if (!isText(value, 512) || value === "") return undefined;
  return { issuer, by: by as RevocationSubject, value };
}

const isWhole = (value: JsonValue | undefined): value is number =>
  Number.isSafeInteger(value) && Number(value) >= 0;

const isText = (value: JsonValue | undefined, longest: number): value is string =>
  typeof value === "string" && value.length <= longest;

const unusable = (why: string): AmeshError =>
  new AmeshError("revocation_unavailable", `The issuer's list of revocations cannot be used: ${why}.`);
