import { AmeshError, isJsonObject, quoteForeign } from "@authmesh/core";
import { isTrustworthy } from "../issuer-url.js";
import { configuredUrl, urlAt } from "./configured-url.js";
import { type FetchJsonOptions, fetchJson } from "./fetch-json.js";

/** An issuer, and where its keys are. */
export interface JwksIssuer {
  /** As it stands in `iss`. */
  readonly issuer: string;
  /** Default: `issuer` and "/.well-known/jwks.json". */
  readonly jwksUri?: string;
  /** Ask the issuer's OpenID configuration, each time that the keys are fetched. Default false. */
  readonly discover?: boolean;
  /** Origins beside the issuer's own that the configuration may name: "https://keys.example". Default none. */
  readonly jwksOrigins?: readonly string[];
}

/** Finds out where the keys are. */
export type JwksLocation = (options: FetchJsonOptions) => Promise<URL>;

/** @throws TypeError for URLs that keys may not come from, and for options that exclude each other */
export function jwksLocation({ issuer, jwksUri, discover, jwksOrigins = [] }: JwksIssuer): JwksLocation {
  const known = urlAt(issuer, "/.well-known/jwks.json");
  if (discover && jwksUri !== undefined) throw new TypeError("Give either jwksUri or discover.");
  if (!discover) {
    const url = jwksUri === undefined ? known : configuredUrl("jwksUri", jwksUri);
    return async () => url;
  }
  const configuration = urlAt(issuer, "/.well-known/openid-configuration");
  const origins = new Set([
    known.origin,
    ...jwksOrigins.map((each) => configuredUrl("Each of jwksOrigins", each).origin),
  ]);
  return async (options) => {
    const { status, value } = await fetchJson(configuration, options);
    const { issuer: named, jwks_uri: uri } = isJsonObject(value) ? value : {};
    if (status !== 200 || named !== issuer || typeof uri !== "string")
      throw new AmeshError(
        options.failAs,
        `${configuration.href} is not the OpenID configuration of ${issuer} (status ${status}).`,
      );
    const url = URL.canParse(uri) ? new URL(uri) : undefined;
    if (url === undefined || !isTrustworthy(url) || !origins.has(url.origin))
      throw new AmeshError(
        options.failAs,
        `${configuration.href} names keys at ${quoteForeign(uri)}, which is not an origin that was allowed.`,
        { fix: "If the keys are there, add the origin to jwksOrigins." },
      );
    return url;
  };
}
