import type { JsonObject } from "@authmesh/core";

/**
 * A claim as rules and templates see it: text as it is; booleans and integers as JSON writes them, since providers
 * differ in whether an id is a number. Anything else, and an empty text, is as if it were absent.
 */
export function claimText(claims: JsonObject, name: string): string | undefined {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
  if (typeof value === "string") return value === "" ? undefined : value;
  if (typeof value === "boolean" || Number.isSafeInteger(value)) return String(value);
  return undefined;
}
