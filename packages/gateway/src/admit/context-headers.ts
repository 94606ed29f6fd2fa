import type { VerifiedCaller } from "./admission.js";

type Prefix = "X-AuthMesh-" | "X-OathMesh-";

/** What stands in each header; undefined or empty: there is none. */
const contents: Readonly<Record<string, (caller: VerifiedCaller) => string | undefined>> = {
  Subject: ({ subject }) => encoded(subject),
  Kind: ({ kind }) => kind,
  Device: ({ device }) => encoded(device),
  Name: ({ name }) => encoded(name),
  Action: ({ action }) => encoded(action),
  Scope: ({ scopes }) => scopes.map((scope) => encoded(scope)?.replaceAll(" ", "%20")).join(" "),
  Issuer: ({ issuer }) => encoded(issuer),
  "Token-Id": ({ tokenId }) => encoded(tokenId),
  "Decision-Id": ({ decisionId }) => decisionId,
};

const names = Object.keys(contents);

/** The headers that tell an upstream who called (docs/protocol.md, section 14.4): names and values. */
export function contextHeaders(
  caller: VerifiedCaller,
  prefixes: readonly Prefix[],
): readonly (readonly [string, string])[] {
  const headers: [string, string][] = [];
  for (const name of names) {
    const value = contents[name]?.(caller);
    if (value) for (const prefix of prefixes) headers.push([`${prefix}${name}`, value]);
  }
  return headers;
}

/** Every name that such a header can have, with that of the context token. */
export const contextHeaderNames = (prefixes: readonly Prefix[]): readonly string[] =>
  prefixes.flatMap((prefix) => [...names, "Context"].map((name) => `${prefix}${name}`));

/** Other than "!" to "~" and a space between two words; and "%", so that it can be decoded. */
const written = /[^ !-$&-~]|(?<=^| ) | (?=$| )/gu;

/** Stands as it is; most of what is told does, and is not looked at further. */
const plain = /^[!-$&-~]*$/;

const encoded = (text: string | undefined): string | undefined =>
  text === undefined || plain.test(text) ? text : text.toWellFormed().replace(written, encodeURIComponent);
