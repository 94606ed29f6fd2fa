import { AmeshError, mostSimilar, quoteForeign } from "@authmesh/core";
import { claimRules, longestLife, type TokenClaims } from "@authmesh/oath";

/** What a job asks for, read and not granted. */
export interface ExchangeRequest extends Pick<TokenClaims, "aud" | "act" | "rqh" | "cnf"> {
  readonly subjectToken: string;
  readonly sub?: string;
  /** Empty where none was asked for. */
  readonly scope: readonly string[];
  readonly env?: string;
  /** Seconds, 1 to 300. */
  readonly ttl?: number;
}

export const grantType = "urn:ietf:params:oauth:grant-type:token-exchange";
export const jwtType = "urn:ietf:params:oauth:token-type:jwt";
const idTokenType = "urn:ietf:params:oauth:token-type:id_token";

const parameters: Readonly<Record<string, (value: string) => boolean>> = {
  grant_type: (value) => value === grantType,
  subject_token_type: (value) => value === idTokenType || value === jwtType,
  requested_token_type: (value) => value === jwtType,
  subject_token: (value) => value !== "",
  audience: claimRules.aud.fits,
  action: claimRules.act.fits,
  scope: (value) => claimRules.scope.fits(scopesIn(value)),
  sub: claimRules.sub.fits,
  env: claimRules.env.fits,
  ttl: (value) => /^[1-9][0-9]{0,2}$/.test(value) && Number(value) <= longestLife,
  rqh: claimRules.rqh.fits,
  cnf: (jkt) => claimRules.cnf.fits({ jkt }),
};

const required = ["grant_type", "subject_token_type", "subject_token", "audience", "action"];

/**
 * Reads the parameters of a token exchange (RFC 8693, section 2.1; docs/protocol.md, section 8.10). One that is not
 * known is refused: each of them narrows the token, and a misspelt one would leave it wider than was meant.
 *
 * @throws AmeshError `exchange_request_invalid`
 */
export function readExchangeRequest(form: URLSearchParams): ExchangeRequest {
  const given = new Map<string, string>();
  for (const [name, value] of form) {
    const fits = Object.hasOwn(parameters, name) ? parameters[name] : undefined;
    if (fits === undefined) throw unknownParameter(name);
    if (given.has(name)) throw invalid(`The parameter ${name} is given twice.`);
    if (!fits(value)) throw invalid(unfit(name, value));
    given.set(name, value);
  }
  const missing = required.find((name) => !given.has(name));
  if (missing !== undefined) throw invalid(`The parameter ${missing} is missing.`);

  const text = (name: string) => given.get(name) as string;
  const optional = <K extends string, T>(name: string, key: K, read: (value: string) => T) =>
    given.has(name) ? ({ [key]: read(text(name)) } as { [_ in K]: T }) : {};
  const same = (value: string) => value;
  return {
    subjectToken: text("subject_token"),
    aud: text("audience"),
    act: text("action"),
    scope: scopesIn(given.get("scope") ?? ""),
    ...optional("sub", "sub", same),
    ...optional("env", "env", same),
    ...optional("ttl", "ttl", Number),
    ...optional("rqh", "rqh", same),
    ...optional("cnf", "cnf", (jkt) => ({ jkt })),
  };
}

const scopesIn = (value: string): readonly string[] => [
  ...new Set(value.split(" ").filter((name) => name !== "")),
];

/** The token itself is never repeated. */
const unfit = (name: string, value: string): string =>
  name === "subject_token"
    ? "The parameter subject_token is empty."
    : `The parameter ${name} cannot be ${quoteForeign(value)}.`;

function unknownParameter(name: string): AmeshError {
  const meant = mostSimilar(name, Object.keys(parameters));
  const hint = meant === undefined ? "" : ` Did you mean ${meant}?`;
  return invalid(`There is no parameter ${quoteForeign(name)}.${hint}`);
}

const invalid = (detail: string) => new AmeshError("exchange_request_invalid", detail);
