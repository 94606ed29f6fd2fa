import { AmeshError, type JsonObject } from "@authmesh/core";
import { fields } from "../layout.js";
import { visible } from "../terminal/visible.js";
import { unixSeconds } from "../time.js";
import { type InspectedToken, inspectToken, remarkOn } from "../token/inspect.js";
import { readToken, tokenArgument } from "../token/token-argument.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Shows what a token says, its times in words, and everything that is wrong with it by its form and at this time; verifiers let clocks differ by 30 s. Nothing is verified, the signature neither: anybody can write a token that says this. `amesh token verify` tells what a token is worth.",
      "A token is a credential while it lives, so it is never an argument: others on this machine can read those.",
    ],
    arguments: [tokenArgument],
    examples: [
      ["amesh token inspect token.txt", "a token in a file"],
      [
        "amesh token mint --aud … --act … | amesh token inspect --json | jq .payload.sub",
        "one that comes from a command",
      ],
    ],
    exit: [
      ["0", "the token is shown, whatever is wrong with it"],
      ["1", "the file cannot be read"],
      ["2", "there is no token, or the command line cannot be read"],
      ["3", "it is no token at all"],
    ],
  },

  async run(call) {
    const now = unixSeconds();
    const inspected = inspectToken(await readToken(call), now);
    const { header, payload, problems } = inspected;
    if (header === undefined && payload === undefined)
      throw new AmeshError("token_malformed", problems[0], {
        fix: "Give the token alone, letter by letter as the issuer gave it.",
      });
    const document = { verified: false, header: header ?? null, payload: payload ?? null, problems };
    call.terminal.answer(document, () => describe(inspected, now));
    call.terminal.next("amesh token verify --audience AUDIENCE --issuer URL, for what it is worth");
    return undefined;
  },
};

function describe({ header, payload, problems }: InspectedToken, now: number): string {
  const list =
    problems.length === 0 ? "  none by its form" : problems.map((each) => `  - ${each}`).join("\n");
  return [
    "Not verified: anybody can write a token that says this.",
    `Header\n${describeMembers(header, now)}`,
    `Claims\n${describeMembers(payload, now)}`,
    `Problems\n${visible(list)}`,
  ].join("\n\n");
}

function describeMembers(object: JsonObject | undefined, now: number): string {
  if (object === undefined) return "  not JSON that reads in one way";
  const rows = Object.entries(object).map(([name, value]): [string, string] => {
    const remark = remarkOn(name, value, now);
    return [plain(name), `${shown(value)}${remark === undefined ? "" : ` (${remark})`}`];
  });
  return rows.length === 0 ? "  none" : fields(rows);
}

/** As JSON: text stands in quotation marks, so that no value looks like a remark or another row. */
const shown = (value: unknown): string => visible(JSON.stringify(value));

const plain = (name: string): string => (/^[\w-]{1,32}$/.test(name) ? name : shown(name));
