import { createHmac, timingSafeEqual } from "node:crypto";
import {
  AmeshError,
  canonicalJson,
  fromBase64Url,
  isJsonObject,
  type JsonValue,
  parseStrictJson,
  toBase64Url,
} from "@authmesh/core";
import { withCode } from "@authmesh/core/records";
import { type AllowListContents, allowListContents, maxAllowListBytes } from "./allow-list-format.js";

/** The file's text: the contents and, last, their seal. */
export function sealAllowList(contents: AllowListContents, key: Uint8Array): string {
  const hmac = toBase64Url(sealOf(contents as unknown as JsonValue, key));
  return `${JSON.stringify({ ...contents, hmac }, null, 2)}\n`;
}

/**
 * Reads the file's bytes. The seal is looked at before anything else is believed.
 *
 * @throws AmeshError `allow_list_damaged`, `allow_list_integrity_failure`
 */
export function openAllowList(bytes: Uint8Array, key: Uint8Array): AllowListContents {
  const { members, seal } = takeApart(bytes);
  if (!timingSafeEqual(seal, sealOf(members, key))) throw new AmeshError("allow_list_integrity_failure");
  return contentsOf(members);
}

/**
 * What the file says, where nobody can check its seal any more: for people to read, never to let anybody in.
 *
 * @throws AmeshError `allow_list_damaged`
 */
export const readUnsealed = (bytes: Uint8Array): AllowListContents => contentsOf(takeApart(bytes).members);

function takeApart(bytes: Uint8Array) {
  const { value, problem } = parseStrictJson(bytes, { maxLength: maxAllowListBytes });
  if (problem !== undefined) throw damaged(problem);
  if (!isJsonObject(value)) throw damaged("it is not an object");
  const { hmac, ...members } = value;
  const seal = typeof hmac === "string" ? fromBase64Url(hmac) : undefined;
  if (seal?.length !== 32) throw damaged("it has no seal");
  return { members, seal };
}

const contentsOf = (members: JsonValue): AllowListContents =>
  withCode(() => allowListContents(members, ""), "allow_list_damaged", "allow_list.json");

/** HMAC-SHA-256 over the canonical JSON of every member but `hmac`. */
function sealOf(members: JsonValue, key: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(canonicalJson(members)).digest();
}

const damaged = (problem: string) =>
  new AmeshError("allow_list_damaged", `allow_list.json cannot be read: ${problem}.`);
