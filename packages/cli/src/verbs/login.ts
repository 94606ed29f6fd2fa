import { authenticate } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import type { Call } from "../call.js";
import { enrollOptions, rememberedAuthorityOption } from "../enroll/remembered-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { requiredOption } from "../required-option.js";
import type { Verb } from "../verb.js";

const longestLife = 300;

export const verb: Verb = {
  manual: {
    description: [
      "Proves to the authority that this machine holds the key of its enrollment, and prints the token that it gets for that, alone on standard output. Without --aud and --act the token is good for the authority itself and shows that this machine is let in; with them it is one for a service, within the machine's scopes.",
      "The four ways in which it can be out, told only to the holder of the key, have a code each: enrollment_pending and enrollment_expired end with 4, enrollment_denied and enrollment_revoked with 3. --json names the code.",
    ],
    options: [
      { flags: "--aud AUDIENCE", about: "for whom the token is to be; with --act" },
      { flags: "--act ACTION", about: "what is about to be done, such as orders.write; with --aud" },
      {
        flags: "--scope SCOPE",
        about: "a scope that the token is to have, such as orders:r",
        repeatable: true,
      },
      { flags: "--ttl SECONDS", about: `life of the token, 1 to ${longestLife} (default 120)` },
      rememberedAuthorityOption,
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      ["amesh login > /dev/null && echo enrolled", "whether this machine is let in"],
      ["amesh login --aud api.example.com --act orders.write", "a token for one call"],
    ],
    exit: [
      ["0", "the token is printed"],
      ["1", "something failed"],
      ["2", "an option is missing or cannot be read"],
      [
        "3",
        "the enrollment was denied or revoked, this machine is not enrolled, or no such token is granted",
      ],
      ["4", "the enrollment is pending, or has expired; or there is no identity yet"],
      ["5", "the authority cannot be reached"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const asking = authenticate({ ...enrollOptions(call), token: readToken(call) });
    const { token, expiresInSeconds, subject } = await terminal.during("Waiting for the authority", asking);
    terminal.answer({ token, tokenType: "OathMesh", expiresInSeconds, subject }, () => token);
    return undefined;
  },
};

const ofServices = ["aud", "act", "scope", "ttl"];

function readToken(call: Call) {
  if (!ofServices.some((option) => call.has(option))) return undefined;
  const ttlSeconds = call.number("ttl", longestLife);
  return {
    audience: requiredOption(call, "login", "aud"),
    action: requiredOption(call, "login", "act"),
    ...(call.has("scope") && { scope: call.list("scope") }),
    ...(ttlSeconds !== undefined && { ttlSeconds }),
  };
}
