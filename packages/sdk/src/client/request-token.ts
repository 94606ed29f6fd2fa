import {
  AmeshError,
  describeNetworkFailure,
  failure,
  foreignSentence,
  isJsonObject,
  type JsonObject,
  parseStrictJson,
  quoteForeign,
  readBody,
} from "@authmesh/core";
import { within } from "@authmesh/oath/timing";
import type { ClientTokenOptions } from "./token-options.js";

/** What a token is bound to, beside what the options say. */
export interface TokenBinding {
  readonly rqh?: string;
  readonly cnf?: { readonly jkt: string };
}

export interface IssuedToken {
  readonly token: string;
  /** From the moment it was asked for. */
  readonly lifeMs: number;
}

/** Sends a request that this machine's key has signed. */
export type SignedSend = (url: URL, init: RequestInit) => Promise<Response>;

/** For all of it: connection, headers and body. */
const timeoutMs = 10_000;
const longestAnswer = 64 * 1024;

/**
 * Obtains a token from the authority (docs/protocol.md, section 8.9).
 *
 * @throws AmeshError `token_refused`, with the authority's own code and what mends it; `authority_unreachable` when
 *   it does not answer, not in time, not as an authority does, or says itself that it cannot
 */
export async function requestToken(
  options: ClientTokenOptions,
  binding: TokenBinding,
  send: SignedSend,
): Promise<IssuedToken> {
  const asked = { ...mintRequestOf(options), ...binding };
  const url = new URL(`${options.authority.replace(/\/$/, "")}/v1/token`);
  const ending = new AbortController();
  const ask = async () => {
    const response = await send(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json" },
      body: JSON.stringify(asked),
      redirect: "manual",
      signal: ending.signal,
    });
    return { status: response.status, answer: await readAnswer(response) };
  };
  try {
    const { status, answer } = await within(timeoutMs, ask());
    if (status !== 200) throw refusal(url, status, answer);
    return issued(url, answer);
  } catch (error) {
    const why = describeNetworkFailure(error);
    throw why === undefined ? error : unreachable(url, why, error);
  } finally {
    ending.abort(); // whatever is left of the answer, nobody reads it
  }
}

/** What an authority is asked for, in its own words. */
export const mintRequestOf = ({
  subject: sub,
  audience: aud,
  action: act,
  scope,
  ttlSeconds: ttl,
  reason,
  env,
}: Omit<ClientTokenOptions, "authority">) => ({ sub, aud, act, scope, ttl, reason, env });

function issued(url: URL, answer: JsonObject | undefined): IssuedToken {
  const { token, expires_in: seconds } = answer ?? {};
  const isToken = typeof token === "string" && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token);
  if (!isToken || typeof seconds !== "number" || !(seconds > 0))
    throw unreachable(url, "what answers is no authority");
  return { token, lifeMs: seconds * 1000 };
}

function refusal(url: URL, status: number, answer: JsonObject | undefined): AmeshError {
  const { error, title, detail = title, fix = status === 401 ? letIn : undefined } = answer ?? {};
  if (status >= 500) return unreachable(url, `it answers ${status}${named(error)}`);
  const why = foreignSentence(detail);
  const said = why === undefined ? "" : `: ${why}`;
  return new AmeshError(
    failure("token_refused", `${url.origin} answers ${status}${named(error)}${said}`, foreignSentence(fix)),
  );
}

/** An authority tells nobody whom it knows; its log says why it did not believe a caller. */
const letIn =
  "Let this machine in at the authority: `amesh authority pair`, or `amesh add --authority DIR`. If it knows the machine (`amesh list --authority DIR` shows that there), its log says what is amiss.";

const named = (error: unknown): string => (typeof error === "string" ? ` ${quoteForeign(error)}` : "");

function unreachable(url: URL, why: string, cause?: unknown): AmeshError {
  return new AmeshError("authority_unreachable", `${url.origin}: ${why}.`, { cause });
}

/** @returns undefined for what is not JSON, or more than anybody needs to say */
async function readAnswer(response: Response): Promise<JsonObject | undefined> {
  const bytes = await readBody(response, longestAnswer);
  if (bytes === undefined) return undefined;
  const { value } = parseStrictJson(bytes, { maxLength: longestAnswer });
  return isJsonObject(value) ? value : undefined;
}
