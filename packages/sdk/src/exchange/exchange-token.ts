import { AmeshError, type JsonObject } from "@authmesh/core";
import { trustworthyUrl } from "@authmesh/oath/caller";
import { authorityRefusal } from "../authority/authority-refusal.js";
import { ask } from "../authority/json-answer.js";

export interface ExchangeTokenOptions {
  /** The authority's URL: "https://authority.example.com". */
  readonly authority: string;
  /** An ID token of the job, for this authority; good for one exchange. */
  readonly oidcToken: string;
  /** For whom the token is to be. */
  readonly audience: string;
  /** What the job is about to do: "orders.write". */
  readonly action: string;
  readonly scope?: readonly string[];
  /** Only to insist on what the authority's rule gives. */
  readonly subject?: string;
  readonly env?: string;
  /** Seconds, 1 to 300. Default 120; never more than the rule allows. */
  readonly ttlSeconds?: number;
  /** The one request the token is to be good for: what `requestHash` of @authmesh/oath gives. */
  readonly requestHash?: string;
  /** The thumbprint (RFC 7638) of the key that will sign each request. */
  readonly keyThumbprint?: string;
  readonly fetch?: typeof globalThis.fetch;
}

export interface ExchangedToken {
  /** For `Authorization: OathMesh <token>`. */
  readonly token: string;
  /** From the answer on. */
  readonly expiresInSeconds: number;
  readonly scope: readonly string[];
}

const jwt = "urn:ietf:params:oauth:token-type:jwt";

/**
 * Exchanges the ID token of a CI job for a token of an authority (RFC 8693; docs/protocol.md, section 8.10).
 *
 * @throws AmeshError `invalid_option`, `service_unreachable`, `service_error`, and what the authority refuses with
 */
export async function exchangeToken(options: ExchangeTokenOptions): Promise<ExchangedToken> {
  const { authority, fetch = globalThis.fetch } = options;
  const url = trustworthyUrl(`${authority.replace(/\/$/, "")}/v1/token/exchange`);
  if (url === undefined)
    throw new AmeshError("invalid_option", "The authority's URL is not https (or http on loopback).", {
      fix: "Write https://HOST.",
    });
  const answer = await ask(url, { fetch, method: "POST", body: formOf(options) });
  if (answer.status !== 200) throw authorityRefusal(answer);
  return readToken(answer.body);
}

function formOf(options: ExchangeTokenOptions): URLSearchParams {
  const { scope = [], ttlSeconds } = options;
  const parameters: Readonly<Record<string, string | undefined>> = {
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
    subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
    subject_token: options.oidcToken,
    audience: options.audience,
    action: options.action,
    scope: scope.length === 0 ? undefined : scope.join(" "),
    sub: options.subject,
    env: options.env,
    ttl: ttlSeconds === undefined ? undefined : String(ttlSeconds),
    rqh: options.requestHash,
    cnf: options.keyThumbprint,
  };
  const form = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) if (value !== undefined) form.set(name, value);
  return form;
}

function readToken(body: JsonObject): ExchangedToken {
  const { access_token: token, issued_token_type: type, token_type: scheme, expires_in: expiresIn } = body;
  const { scope = "" } = body;
  const fits =
    typeof token === "string" &&
    /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) &&
    type === jwt &&
    scheme === "OathMesh" &&
    typeof expiresIn === "number" &&
    typeof scope === "string";
  if (!fits)
    throw new AmeshError("service_error", "What answered is not the token exchange of an authority.", {
      fix: "Check the authority's URL.",
    });
  return { token, expiresInSeconds: expiresIn, scope: scope.split(" ").filter((name) => name !== "") };
}
