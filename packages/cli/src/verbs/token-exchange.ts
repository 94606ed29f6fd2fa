import { AmeshError, decodeUtf8 } from "@authmesh/core";
import { exchangeToken, obtainJobToken } from "@authmesh/sdk/exchange";
import type { Call } from "../call.js";
import { readSource } from "../input-source.js";
import { readRequestHash, requestBindingOptions } from "../token/request-binding.js";
import type { Verb } from "../verb.js";

/** Longer than any CI's token. */
const maxTokenBytes = 32_768;
const longestLife = 300;

export const verb: Verb = {
  manual: {
    description: [
      "Exchanges the ID token that a CI made for its job for a token of an authority, and prints that token alone. No secret is stored anywhere: the CI says which job it is, and the authority's rules say what such a job may do.",
      "In GitHub Actions the job needs `permissions: id-token: write`, and the ID token is asked for. In GitLab the job needs `id_tokens: { AMESH_ID_TOKEN: { aud: AUTHORITY-URL } }`. An ID token is good for one exchange, and the token that comes of it, as a rule, for one request.",
    ],
    options: [
      { flags: "--authority URL", about: "the authority (default AMESH_AUTHORITY_URL)" },
      { flags: "--aud AUDIENCE", about: "for whom the token is to be" },
      { flags: "--act ACTION", about: "what the job is about to do, such as orders.write" },
      { flags: "--scope SCOPE", about: "a scope that the token is to have", repeatable: true },
      { flags: "--sub SUBJECT", about: "insist that the authority gives this subject" },
      { flags: "--env NAME", about: "insist that the authority gives this env" },
      { flags: "--ttl SECONDS", about: `life of the token, 1 to ${longestLife} (default 120)` },
      ...requestBindingOptions,
      { flags: "--cnf THUMBPRINT", about: "bind the token to a key that signs each request" },
      {
        flags: "--oidc-audience AUDIENCE",
        about: "for whom GitHub is to make the ID token (default the authority's URL)",
      },
      { flags: "--oidc-token-file FILE", about: "the ID token is in this file; - for standard input" },
      {
        flags: "--oidc-token-variable NAME",
        about: "the ID token is in this variable (default AMESH_ID_TOKEN)",
      },
    ],
    environment: [
      ["AMESH_AUTHORITY_URL", "as --authority"],
      ["AMESH_ID_TOKEN", "the ID token of the job, where the CI puts it into a variable"],
      ["ACTIONS_ID_TOKEN_REQUEST_URL", "set by GitHub Actions, with …_TOKEN: where an ID token is asked for"],
    ],
    examples: [
      [
        "amesh token exchange --aud https://api.example.com --act orders.write",
        "in a job of GitHub Actions or GitLab, with AMESH_AUTHORITY_URL set",
      ],
      ['curl -H "Authorization: OathMesh $(amesh token exchange --aud … --act …)" https://…', "one call"],
      [
        "amesh token exchange --oidc-token-file /run/ci/token --aud … --act … --json",
        "with an ID token from elsewhere, and the token's life in the answer",
      ],
    ],
    exit: [
      ["0", "the token is printed"],
      ["1", "what answered is no authority"],
      ["2", "an option is missing or cannot be read"],
      ["3", "the authority refuses: the ID token, or what was asked for"],
      ["4", "there is no ID token here"],
      ["5", "the authority, or the CI's provider, cannot be reached"],
    ],
  },

  async run(call) {
    const authority = required(call, "authority", process.env["AMESH_AUTHORITY_URL"]);
    const options = {
      authority,
      audience: required(call, "aud"),
      action: required(call, "act"),
      scope: call.list("scope"),
      ...optional("subject", call.text("sub")),
      ...optional("env", call.text("env")),
      ...optional("ttlSeconds", call.number("ttl", longestLife)),
      ...optional("requestHash", await readRequestHash(call, call.text("oidc-token-file") === "-")),
      ...optional("keyThumbprint", call.text("cnf")),
    };
    const oidcToken = await idTokenOf(call, authority);
    const exchanging = exchangeToken({ ...options, oidcToken });
    const { token, expiresInSeconds, scope } = await call.terminal.during(
      `Waiting for ${authority}`,
      exchanging,
    );
    call.terminal.answer({ token, tokenType: "OathMesh", expiresInSeconds, scope }, () => token);
    return undefined;
  },
};

async function idTokenOf(call: Call, authority: string): Promise<string> {
  const file = call.text("oidc-token-file");
  const variable = call.text("oidc-token-variable");
  if (file === undefined)
    return obtainJobToken({ audience: call.text("oidc-audience") ?? authority, variable });
  if (variable !== undefined)
    throw new AmeshError("invalid_option", "The ID token cannot be both in a file and in a variable.");
  const token = decodeUtf8(await readSource(file, maxTokenBytes))?.trim();
  if (token) return token;
  throw new AmeshError("oidc_token_unavailable", `${file} holds no ID token.`);
}

function required(call: Call, option: string, otherwise?: string): string {
  const value = call.text(option) || otherwise;
  if (value) return value;
  throw new AmeshError("input_required", `--${option} is missing.`, {
    fix: "Give it; `amesh token exchange --help` explains the command.",
  });
}

const optional = <K extends string, T>(name: K, value: T | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [_ in K]?: T };
