import { AmeshError, toBase64Url, utf8 } from "@authmesh/core";
import { Challenges } from "../../packages/authority/src/challenges/challenges.js";
import { passcodeDigest } from "../../packages/authority/src/enrollment/passcode.js";
import type { Call } from "../../packages/cli/src/call.js";
import { codeCheck } from "../../packages/cli/src/enroll/code-option.js";
import { crypto as native } from "../../packages/core/src/crypto/node.js";
import { crypto as portable } from "../../packages/core/src/crypto/portable.js";
import { target } from "../../packages/core/src/pairing/target.js";
import { openAllowList, sealAllowList } from "../../packages/keystore/src/allow-list-seal.js";
import { readRemembered, writeRemembered } from "../../packages/keystore/src/drivers/remembered-file.js";
import { readCaller, withCaller } from "../../packages/sdk/src/next/caller-header.js";
import type { Check, Guesses } from "./welch.js";

/** A check whose time must not tell how much of a guess is right, and two guesses. */
export interface SecretCheck extends Guesses {
  readonly name: string;
  readonly check: Check;
}

const key = new Uint8Array(32).fill(1);
const now = () => 1_743_160_800_000;

/** Two wrong guesses at a right text: one differs in the character at `first`, the other in that at `last`. */
function guessesAt(right: string, first = 0, last = right.length - 1): Guesses {
  const wrongAt = (at: number) => right.slice(0, at) + other(right.charAt(at)) + right.slice(at + 1);
  return { wrongAtFirst: wrongAt(first), wrongAtLast: wrongAt(last) };
}

/** Of the same kind, and no other where base64url ends in four bits that count. */
const other = (character: string) =>
  /\d/.test(character) ? (character === "8" ? "0" : "8") : character === "Q" ? "g" : "Q";

/** A refusal is what is timed. */
const refused = (work: () => unknown) => {
  try {
    return work();
  } catch (error) {
    if (error instanceof AmeshError) return error;
    throw error;
  }
};

const code = "482916";
const awaitingCode = { verificationCode: code, entriesLeft: 3 } as never;
const challenges = new Challenges({
  key,
  now,
  store: { recordNonce: async () => false },
  random: (length) => new Uint8Array(length).fill(4),
});
const challenge = challenges.issue("authenticate", "am_JjcHdWacSYujhwLD");
const contents = {
  version: 1,
  generation: 3,
  maxControllers: 1,
  audience: [],
  devices: [],
  revoked: [],
  consumed: [],
};
const list = sealAllowList(contents as never, key);
const seal = list.indexOf('"hmac": "') + '"hmac": "'.length;
const remembered = writeRemembered(key, key);
const mac = remembered.indexOf('"mac":"') + '"mac":"'.length;
const caller = withCaller(new Headers(), { verifiedAt: now() / 1000 } as never).get("authmesh-caller") ?? "";
const tag = caller.indexOf(".") + 1;
const secret = toBase64Url(key);
const passcode = "K7M2PQ";
const approval = codeCheck({ text: () => code } as unknown as Call);

export const secretChecks: readonly SecretCheck[] = [
  {
    name: "verification code of a pairing",
    ...guessesAt(code),
    check: (text) =>
      target.transitions.askingCode.code_entered?.(awaitingCode, { type: "code_entered", text }, {} as never),
  },
  {
    name: "comparison code of an enrollment",
    ...guessesAt(code),
    check: (code) => refused(() => approval?.({ code, status: "pending" } as never)),
  },
  {
    name: "passcode of an enrollment, up to the digest that is looked up",
    ...guessesAt(passcode),
    check: (guess) => passcodeDigest(key, "@acme", guess),
  },
  {
    name: "HMAC of a challenge",
    ...guessesAt(challenge, challenge.length - 21, challenge.length - 2),
    check: (guess) => challenges.use("authenticate", "am_JjcHdWacSYujhwLD", guess),
  },
  {
    name: "HMAC of a caller that a proxy passes on",
    ...guessesAt(caller, tag, caller.length - 2),
    check: (guess) => readCaller({ get: () => guess }, now()),
  },
  {
    name: "seal of the allow list",
    ...guessesAt(list, seal, seal + 41),
    check: (guess) => refused(() => openAllowList(utf8(guess), key)),
  },
  {
    name: "MAC of what a key store remembers",
    ...guessesAt(remembered, mac, mac + 41),
    check: (guess) => refused(() => readRemembered(utf8(guess), key)),
  },
  {
    name: "comparison of the native provider",
    ...guessesAt(secret),
    check: (guess) => native.equal(utf8(guess), utf8(secret)),
  },
  {
    name: "comparison of the portable provider",
    ...guessesAt(secret),
    check: (guess) => portable.equal(utf8(guess), utf8(secret)),
  },
];

/** What none of them may be: it stops at the first byte that is wrong. */
export const earlyExit: SecretCheck = {
  name: "a comparison that stops early",
  ...guessesAt(secret),
  check: (guess) => utf8(guess).every((byte, i) => byte === secret.charCodeAt(i)),
};
