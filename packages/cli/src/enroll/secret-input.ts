import { statSync } from "node:fs";
import { AmeshError } from "@authmesh/core";
import type { Call } from "../call.js";
import { readSource } from "../input-source.js";

/** A secret that a person was given. It is never an argument, which others on this machine could see. */
export interface SecretInput {
  /** The option that names its file: "secret-file". */
  readonly option: string;
  /** As people are asked for it: "Secret of the account". */
  readonly what: string;
}

/** No secret is longer. */
const maxBytes = 4096;

/**
 * Reads a secret from the option's file, from standard input for "-", or from a person, without showing it.
 *
 * @throws AmeshError `input_required` where there is none, `storage_failed`, `invalid_option`
 */
export async function readSecretInput(call: Call, { option, what }: SecretInput): Promise<string> {
  const source = call.text(option);
  const ask = call.terminal.questions.secret;
  // Whoever gives the secret itself in the place of its file must not see it logged.
  const text =
    source === undefined ? await ask?.(what) : await readSource(source, maxBytes, `The file of --${option}`);
  if (source !== undefined && othersMayRead(source))
    call.terminal.warn(`others on this machine can read the file of --${option}: chmod 600 it.`);
  const secret = text?.toString().trim();
  if (secret) return secret;
  throw new AmeshError("input_required", `The answer is missing: ${what}.`, {
    fix: `Give --${option} FILE, or --${option} - for standard input.`,
  });
}

/** Of files alone: what a pipe or standard input brings lies nowhere. */
function othersMayRead(source: string): boolean {
  const found = source === "-" ? undefined : statSync(source, { throwIfNoEntry: false });
  return found?.isFile() === true && process.platform !== "win32" && (found.mode & 0o044) !== 0;
}
