import { AmeshError, quoteForeign } from "@authmesh/core";
import { trustworthyUrl } from "@authmesh/oath/caller";
import { ask } from "../authority/json-answer.js";

export interface JobTokenOptions {
  /** For whom the token is to be: the authority's issuer URL, unless its configuration names something else. */
  readonly audience: string;
  /** The variable that holds the token, where the CI puts it into one. Default AMESH_ID_TOKEN. */
  readonly variable?: string | undefined;
  /** Default `process.env`. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly fetch?: typeof globalThis.fetch;
}

const gitHubUrl = "ACTIONS_ID_TOKEN_REQUEST_URL";
const gitHubSecret = "ACTIONS_ID_TOKEN_REQUEST_TOKEN";
const usualVariable = "AMESH_ID_TOKEN";

/**
 * The ID token of the CI job that this process runs in: out of a variable, where there is one (GitLab: `id_tokens`),
 * else GitHub Actions is asked for one.
 *
 * @example
 * const oidcToken = await obtainJobToken({ audience: "https://authority.example.com" });
 *
 * @throws AmeshError `oidc_token_unavailable`, `service_unreachable`, `service_error`
 */
export async function obtainJobToken(options: JobTokenOptions): Promise<string> {
  const { audience, variable, env = process.env, fetch = globalThis.fetch } = options;
  const given = env[variable ?? usualVariable];
  if (given) return given.trim();
  if (variable !== undefined) throw unavailable(`The variable ${variable} is not set.`, audience, env);
  const url = env[gitHubUrl];
  const secret = env[gitHubSecret];
  if (!url || !secret) throw unavailable("This process has no ID token of a CI job.", audience, env);
  return askGitHub(url, secret, audience, fetch);
}

async function askGitHub(
  text: string,
  secret: string,
  audience: string,
  fetch: typeof globalThis.fetch,
): Promise<string> {
  const url = trustworthyUrl(text);
  if (url === undefined)
    throw new AmeshError(
      "oidc_token_unavailable",
      `${gitHubUrl} is not an https URL: ${quoteForeign(text)}.`,
    );
  url.searchParams.set("audience", audience);
  const { status, body } = await ask(url, {
    fetch,
    headers: { Authorization: `Bearer ${secret}`, Accept: "application/json" },
  });
  const { value } = body;
  if (status === 200 && typeof value === "string" && value !== "") return value;
  throw new AmeshError("service_error", `GitHub Actions gave no ID token; it answered ${status}.`, {
    fix: "Give the job `permissions: id-token: write`, and look at githubstatus.com.",
  });
}

function unavailable(detail: string, audience: string, env: NonNullable<JobTokenOptions["env"]>): AmeshError {
  const fix = env["GITHUB_ACTIONS"]
    ? "Give the job `permissions: id-token: write`."
    : env["GITLAB_CI"]
      ? `Give the job \`id_tokens: { ${usualVariable}: { aud: "${audience}" } }\`.`
      : undefined;
  return new AmeshError("oidc_token_unavailable", detail, fix === undefined ? {} : { fix });
}
