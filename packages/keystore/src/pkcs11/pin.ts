import { createHmac, randomBytes } from "node:crypto";
import { AmeshError, quoteForeign } from "@authmesh/core";
import type { Environment } from "../folder.js";
import { type PromptSecret, type SecretSource, secretFrom, variablesInUse } from "../secret-source.js";
import { type Cryptoki, type Handle, tokenFlag, userType } from "./cryptoki.js";
import { refusal, returnCode } from "./return-codes.js";
import type { Token } from "./token.js";

/** What a person knows of a token. */
export interface Pin {
  readonly text: string;
  /** The variable that it comes from; none for one that somebody has just typed. */
  readonly variable?: string | undefined;
  /** A variable that is set, too, and was not read. */
  readonly unread?: string | undefined;
}

const source: SecretSource = {
  variable: "AMESH_PIN",
  fileVariable: "AMESH_PIN_FILE",
  missing: "pin_missing",
};

/**
 * The PIN of a token: `AMESH_PIN`, the file `AMESH_PIN_FILE` names, an answer to the prompt.
 *
 * @throws AmeshError `pin_missing`, `storage_failed`
 */
export async function resolvePin(
  label: string,
  { env, promptSecret }: { readonly env: Environment; readonly promptSecret?: PromptSecret | undefined },
): Promise<Pin> {
  const given = secretFrom(source, env);
  if (given !== undefined) {
    const [variable, unread] = variablesInUse(source, env);
    return { text: given, variable, unread };
  }
  const typed = await promptSecret?.(`PIN of the token ${quoteForeign(label)}`);
  if (typed) return { text: typed };
  if (typed === undefined) throw new AmeshError("pin_missing");
  throw new AmeshError("pin_missing", "The token wants its PIN, and none was typed.", {
    fix: "Run the command again and type it, or set AMESH_PIN_FILE.",
  });
}

/** "the PIN of AMESH_PIN (AMESH_PIN_FILE is set too, and was not read)" */
function originOf({ variable, unread }: Pin): string {
  if (variable === undefined) return "the PIN that was typed";
  return `the PIN of ${variable}${unread === undefined ? "" : ` (${unread} is set too, and was not read)`}`;
}

const mendOf = ({ variable }: Pin, afterwards: string) =>
  variable === undefined
    ? "Run the command again and type the right one."
    : `Correct ${variable}${afterwards}`;

// By token, under a key of this process: a refused PIN is usually close to the right one.
const refusedPins = new Map<string, Set<string>>();
const digestKey = randomBytes(32);
const digest = (pin: string) => createHmac("sha256", digestKey).update(pin).digest("base64");

const wrongCodes = new Set(["CKR_PIN_INCORRECT", "CKR_PIN_INVALID", "CKR_PIN_LEN_RANGE"]);

/**
 * Logs a session in. A token counts wrong PINs and locks itself after a few, some for good: one that was refused is
 * never sent again by this process, and the last try is left to a person.
 *
 * @throws AmeshError `pin_wrong`, `key_store_locked`
 */
export function logIn(api: Cryptoki, session: Handle, token: Token, pin: Pin): void {
  const named = `${token.serial}\n${token.label}`;
  const refused = refusedPins.get(named) ?? new Set();
  const place = `The token ${quoteForeign(token.label)}`;
  if ((token.flags & tokenFlag.userPinLocked) !== 0) throw refusal(new Error("CKR_PIN_LOCKED"));
  if (refused.has(digest(pin.text)))
    throw new AmeshError(
      "pin_wrong",
      `${place} has refused ${originOf(pin)} before; it was not sent again.`,
      {
        fix: mendOf(pin, ", and start the program anew."),
      },
    );
  if ((token.flags & tokenFlag.userPinFinalTry) !== 0 && pin.variable !== undefined)
    throw new AmeshError("pin_wrong", `${place} takes one more PIN before it locks; none was sent.`, {
      fix: "Unset AMESH_PIN and AMESH_PIN_FILE, run `amesh doctor` in a terminal, and type the right PIN.",
    });
  try {
    api.C_Login(session, userType.user, pin.text);
  } catch (error) {
    const code = returnCode(error) ?? "";
    if (code === "CKR_USER_ALREADY_LOGGED_IN") return; // by something else in this process
    if (!wrongCodes.has(code)) throw error;
    refusedPins.set(named, refused.add(digest(pin.text)));
    throw new AmeshError("pin_wrong", `${place} refuses ${originOf(pin)}${triesLeft(api, token)}.`, {
      fix: mendOf(pin, " before you try again."),
      cause: error,
    });
  }
}

const warnings = [
  [tokenFlag.userPinLocked, ", and is locked now"],
  [tokenFlag.userPinFinalTry, "; one try is left before it locks"],
  [tokenFlag.userPinCountLow, "; after a few more wrong ones it locks"],
] as const;

function triesLeft(api: Cryptoki, { slot }: Token): string {
  const { flags } = api.C_GetTokenInfo(slot);
  return warnings.find(([flag]) => (flags & flag) !== 0)?.[1] ?? "";
}
