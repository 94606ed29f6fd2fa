import { AmeshError, InMemoryNonceStore } from "@authmesh/core";
import { createTokenVerifier, type TokenVerifierOptions } from "@authmesh/oath";
import { loadPolicy } from "@authmesh/oath/node";
import type { Call } from "../call.js";
import { asPersonsOption } from "../person-option.js";
import { boundRequest } from "../token/bound-request.js";
import { readRequestParts, requestOptions } from "../token/request-parts.js";
import { readToken, tokenArgument } from "../token/token-argument.js";
import { openKeys } from "../token/token-keys.js";
import { reportDecision } from "../token/verdict.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Verifies a token as a service does, in the steps of docs/protocol.md, section 8.4, and says at which one it is refused, why, and what mends it. --explain shows every step.",
      "What only the service knows is not asked here: its revocation list, and whether the token was used before. The token is not used up either. Without --policy no policy is asked; a service that has none refuses every token.",
      "A token that is bound to a request (rqh) is verified with --url and what else the request has. One that is bound to a key (cnf) is good only beside a signature by that key, which is not here: it is refused at step 12, with every step before that passed.",
    ],
    arguments: [tokenArgument],
    options: [
      { flags: "--audience AUDIENCE", about: "what the service calls itself in aud", repeatable: true },
      {
        flags: "--issuer URL",
        about: "an issuer that is trusted, letter by letter as in iss",
        repeatable: true,
      },
      {
        flags: "--jwks FILE|URL",
        about: "the issuer's keys (default: fetched from ISSUER/.well-known/jwks.json)",
      },
      { flags: "--policy PATH", about: "the policy to ask, a file or a folder (default: none is asked)" },
      ...requestOptions("the request that the token is presented with, as its caller sends it"),
      { flags: "--explain", about: "show every step" },
    ],
    examples: [
      [
        "amesh token verify token.txt --audience https://api.example.com --issuer https://id.example.com",
        "is it good?",
      ],
      [
        "amesh token verify token.txt --audience … --issuer … --policy policies/ --explain",
        "step by step, policy included",
      ],
      [
        "amesh token verify token.txt … --url https://api.example.com/o --method POST --body order.json",
        "one that is bound to a request",
      ],
    ],
    exit: [
      ["0", "the token is accepted"],
      ["1", "a file or the policy cannot be read"],
      ["2", "there is no token, or the command line cannot be read"],
      ["3", "the token is refused"],
      ["4", "the token has expired"],
      ["5", "the issuer's keys cannot be had"],
    ],
  },

  async run(call) {
    const token = await readToken(call);
    const options = await readOptions(call);
    const parts = await readRequestParts(call, (call.args[0] ?? "-") === "-");
    const request = parts && boundRequest(parts, token);
    const verifying = asPersonsOption(() => createTokenVerifier(options)).verify(token, request);
    const decision = await call.terminal.during("Waiting for the issuer's keys", verifying);
    options.keys.close?.();
    return reportDecision(decision, call);
  },
};

async function readOptions(call: Call): Promise<TokenVerifierOptions> {
  const audience = required(call, "audience");
  const trustedIssuers = required(call, "issuer");
  const path = call.text("policy");
  return {
    audience,
    trustedIssuers,
    policy: path === undefined ? "none" : (await loadPolicy(path)).engine,
    keys: await openKeys(trustedIssuers, call.text("jwks")),
    replay: new InMemoryNonceStore(),
  };
}

function required(call: Call, option: string): readonly string[] {
  const values = call.list(option);
  if (values.length > 0) return values;
  throw new AmeshError("invalid_option", `--${option} is missing.`, {
    fix: "`amesh token verify --help` explains the command.",
  });
}
