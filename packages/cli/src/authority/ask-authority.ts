import {
  AmeshError,
  describeNetworkFailure,
  failure,
  foreignSentence,
  isJsonObject,
  type JsonObject,
  lookUp,
  parseStrictJson,
  readBody,
} from "@authmesh/core";
import { type OpenIdentity, openIdentity } from "@authmesh/keystore";
import { createClient } from "@authmesh/sdk";
import type { Call } from "../call.js";
import { explainRefusal } from "../request/refusal.js";

/** Asks an authority for a JSON object. `path` begins with a slash. */
export type AskAuthority = (method: string, path: string, body?: object) => Promise<JsonObject>;

const timeoutMs = 10_000;
/** As large as one part of a revocation list may be. */
const maxBytes = 8 << 20;

/**
 * Asks by requests that this machine's key signs. Whatever the authority refuses is raised, in its own words where it
 * has some: AmeshError of its code, `authority_unreachable`, `service_error`.
 *
 * @throws AmeshError what `openIdentity` throws
 */
export async function openAuthorityClient({ terminal }: Call, authority: URL): Promise<AskAuthority> {
  const identity = await openIdentity({ promptSecret: terminal.questions.secret });
  // A few requests are no session: it would cost the key store a signature all the same.
  const { fetch } = createClient({ identity, session: false });
  return async (method, path, body) => {
    const url = new URL(authority.href.replace(/\/$/, "") + path);
    const answering = fetch(url, {
      method,
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
      ...(body && { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
    });
    try {
      const response = await terminal.during(`Waiting for ${url.host}`, answering);
      const bytes = await readBody(response, maxBytes);
      const answer = bytes === undefined ? undefined : readObject(bytes);
      if (response.ok && answer !== undefined) return answer;
      throw response.headers.has("authmesh-decision") && bytes !== undefined
        ? refusalOf(explainRefusal(response, bytes, { identity, host: url.host }).error, identity)
        : problemOf(response, answer);
    } catch (cause) {
      const reason = describeNetworkFailure(cause);
      if (reason === undefined) throw cause;
      throw new AmeshError("authority_unreachable", `${url.origin} cannot be reached: ${reason}.`, { cause });
    }
  };
}

/** The only scope that an authority asks for is the one to revoke. */
function refusalOf(refusal: AmeshError, { identity }: OpenIdentity): AmeshError {
  if (refusal.code === "unauthorized")
    return new AmeshError(refusal.code, refusal.message, {
      fix: `${refusal.fix} On the authority's machine that is \`amesh list --authority DIR\`.`,
    });
  if (refusal.code !== "scope_missing") return refusal;
  const fix = `On the authority's machine: \`amesh grant ${identity.deviceId} revocations:rw --authority DIR\`.`;
  return new AmeshError(refusal.code, refusal.message, { fix });
}

function readObject(bytes: Uint8Array): JsonObject | undefined {
  const { value } = parseStrictJson(bytes, { maxLength: maxBytes });
  return isJsonObject(value) ? value : undefined;
}

/** A problem document (docs/protocol.md, section 8.9), or what else answered. */
function problemOf({ status }: Response, answer: JsonObject | undefined): AmeshError {
  const { error, title, detail, fix } = answer ?? {};
  const code = typeof error === "string" ? lookUp(error)?.code : undefined;
  if (code !== undefined) return new AmeshError(failure(code, foreignSentence(detail), foreignSentence(fix)));
  const said = foreignSentence(title) ?? "What answers is no authority.";
  return new AmeshError("service_error", `The authority answered ${status}. ${said}`, {
    fix: "Check the authority's URL; the reason is in its log.",
  });
}
