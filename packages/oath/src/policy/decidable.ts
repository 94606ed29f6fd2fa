import { textFields } from "./compile-rule.js";
import type { PolicyDecision, PolicyInput } from "./policy-engine.js";

export const undecidable: PolicyDecision = Object.freeze({
  allowed: false,
  reason: "What is asked is not something a policy can decide on.",
});

/** Milliseconds that a `Date` can hold, in seconds. */
const latest = 8_640_000_000_000;

/** An input that is not of its type comes from a mistake, and a mistake must not open anything. */
export function isDecidable(input: PolicyInput): boolean {
  if (typeof input !== "object" || input === null) return false;
  const { subject, action, issuer, audience, scopes, method, path, time } = input;
  return (
    [subject, action, issuer, audience].every((text) => typeof text === "string") &&
    Array.isArray(scopes) &&
    scopes.every((scope) => typeof scope === "string") &&
    isTextOrAbsent(method) &&
    isTextOrAbsent(path) &&
    textFields.every((field) => isTextOrAbsent(field.read(input))) &&
    Math.abs(time) <= latest
  );
}

const isTextOrAbsent = (value: unknown): boolean => value === undefined || typeof value === "string";
