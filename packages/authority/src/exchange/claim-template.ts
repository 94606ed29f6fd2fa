import type { JsonObject } from "@authmesh/core";
import type { Provider } from "./provider.js";
import { claimText } from "./verified-claims.js";

/** "svc://ci/{repository}": text with claims of a verified token in it. */
export interface ClaimTemplate {
  readonly text: string;
  readonly parts: readonly (string | { readonly claim: string })[];
}

/** What came of a template, or why nothing did: a plain half-sentence. */
export type Rendered =
  | { readonly text: string; readonly problem?: undefined }
  | { readonly text?: undefined; readonly problem: string };

const placeholder = /\{([^{}]*)\}/;
const insertable = /^[A-Za-z0-9_.-]+$/;

/**
 * Reads a template.
 *
 * Two jobs whose claims differ get two names: at most one claim stands in a segment, and at most one may bring slashes
 * along.
 */
export function readTemplate(
  text: string,
  provider: Provider,
): { readonly template: ClaimTemplate } | { readonly problem: string } {
  const parts = text
    .split(placeholder)
    .map((part, i) => (i % 2 === 0 ? part : { claim: part }))
    .filter((part) => part !== "");
  const names = parts.flatMap((part) => (typeof part === "string" ? [] : [part.claim]));
  if (parts.some((part) => typeof part === "string" && /[{}]/.test(part)))
    return { problem: "has a brace without its other half" };
  const unknown = names.find((name) => !Object.hasOwn(provider.claims, name));
  if (unknown !== undefined)
    return { problem: `names {${unknown}}; there are: ${Object.keys(provider.claims).join(", ")}` };
  if (text.split("/").some((segment) => segment.split(placeholder).length > 3))
    return { problem: "has two claims in one segment, so two jobs could get the same name" };
  if (names.filter((name) => provider.claims[name] === "path").length > 1)
    return { problem: "takes over more than one path, so two jobs could get the same name" };
  return { template: { text, parts } };
}

/** Fills a template in. A value brings neither empty segments nor `.` and `..`, and no character a subject has not. */
export function render({ parts }: ClaimTemplate, claims: JsonObject, provider: Provider): Rendered {
  let text = "";
  for (const part of parts) {
    if (typeof part === "string") {
      text += part;
      continue;
    }
    const value = claimText(claims, part.claim);
    if (value === undefined) return { problem: `the token has no ${part.claim}` };
    const segments = provider.claims[part.claim] === "path" ? value.split("/") : [value];
    if (!segments.every((segment) => insertable.test(segment) && segment !== "." && segment !== ".."))
      return { problem: `its ${part.claim} does not fit into a name` };
    text += value;
  }
  return { text };
}
