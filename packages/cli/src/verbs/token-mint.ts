import { openIdentity } from "@authmesh/keystore";
import { createClient, requestToken } from "@authmesh/sdk";
import { authorityUrlEnvironment, authorityUrlOption, readAuthorityUrl } from "../authority/authority-url.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { requiredOption } from "../required-option.js";
import { readRequestHash, requestBindingOptions } from "../token/request-binding.js";
import type { Verb } from "../verb.js";

const longestLife = 300;

export const verb: Verb = {
  manual: {
    description: [
      "Gets a token from an authority, by a request that this machine's key signs, and prints that token alone. The authority must know this machine (`amesh authority pair` there, `amesh invite` here), and a rule of its policy must grant the token.",
    ],
    options: [
      authorityUrlOption,
      { flags: "--aud AUDIENCE", about: "for whom the token is to be" },
      { flags: "--act ACTION", about: "what is about to be done, such as orders.write" },
      { flags: "--sub SUBJECT", about: "who calls (default svc://device/ and this machine's id)" },
      { flags: "--scope SCOPE", about: "a scope that the token is to have", repeatable: true },
      { flags: "--ttl SECONDS", about: `life of the token, 1 to ${longestLife} (default 120)` },
      { flags: "--env NAME", about: "the environment that the token is to name" },
      { flags: "--reason TEXT", about: "why, for those who read the audit" },
      ...requestBindingOptions,
      { flags: "--cnf THUMBPRINT", about: "bind the token to a key that signs each request" },
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh token mint --aud api.example.com --act orders.write --ttl 60", "the token alone"],
      [
        'curl -H "Authorization: OathMesh $(amesh token mint --aud … --act …)" https://…',
        "one call; each token is good once",
      ],
      [
        "amesh token mint --aud … --act … --url https://api.example.com/o --method DELETE",
        "good for this one request",
      ],
    ],
    exit: [
      ["0", "the token is printed"],
      ["2", "an option is missing or cannot be read"],
      ["3", "the authority refuses"],
      ["4", "there is no identity yet"],
      ["5", "the authority cannot be reached, or cannot mint now"],
    ],
  },

  async run(call) {
    const authority = readAuthorityUrl(call).href;
    const options = {
      authority,
      audience: requiredOption(call, "token mint", "aud"),
      action: requiredOption(call, "token mint", "act"),
      ...named("subject", call.text("sub")),
      ...named("scope", call.has("scope") ? call.list("scope") : undefined),
      ...named("ttlSeconds", call.number("ttl", longestLife)),
      ...named("env", call.text("env")),
      ...named("reason", call.text("reason")),
    };
    const jkt = call.text("cnf");
    const binding = {
      ...named("rqh", await readRequestHash(call)),
      ...named("cnf", jkt === undefined ? jkt : { jkt }),
    };
    const identity = await openIdentity({ promptSecret: call.terminal.questions.secret });
    // One request is no session: it would cost the key store a signature all the same.
    const { fetch } = createClient({ identity, session: false });
    const asking = requestToken(options, binding, fetch);
    const { token, lifeMs } = await call.terminal.during(`Waiting for ${authority}`, asking);
    call.terminal.answer({ token, tokenType: "OathMesh", expiresInSeconds: lifeMs / 1000 }, () => token);
    return undefined;
  },
};

const named = <K extends string, T>(name: K, value: T | undefined) =>
  (value === undefined ? {} : { [name]: value }) as { readonly [_ in K]?: T };
