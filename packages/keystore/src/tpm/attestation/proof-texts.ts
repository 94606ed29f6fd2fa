import type { WrappedObject } from "../commands.js";
import type { Tpm } from "../tpm.js";
import { readChallenge, writeMessage } from "./messages.js";
import { answerChallenge, makeClaim } from "./prover.js";

/** What the device's half says, as texts. */
export const claimText = async (tpm: Tpm, key: WrappedObject): Promise<string> =>
  writeMessage(await makeClaim(tpm, key));

/** @param text a challenge; it is read at once. @throws AmeshError what `readChallenge` throws */
export function answerTo(text: string): (tpm: Tpm, key: WrappedObject) => Promise<string> {
  const challenge = readChallenge(text);
  return async (tpm, key) => writeMessage(await answerChallenge(tpm, key, challenge));
}
