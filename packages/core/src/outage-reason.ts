import { AmeshError, quoteForeign } from "./errors.js";
import { networkReason } from "./network-failure.js";

/** A server's error begins with a word in capitals: "READONLY", "OOM", "WRONGPASS". */
const serverCode = /^[A-Z][A-Z]{2,31}(?= |$)/;

/** Why Redis cannot be asked, in a few words. Never a message, which may hold an address with a password in it. */
export function outageReason(error: unknown): string {
  if (error instanceof AmeshError) return error.message;
  if ((error as Error | undefined)?.name === "TimeoutError") return "no answer in time";
  if (!(error instanceof Error)) return quoteForeign(typeof error);
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string" && code !== "") return quoteForeign(networkReason(code)).slice(1, -1);
  const answer = serverCode.exec(error.message)?.[0];
  return answer === undefined ? quoteForeign(error.name).slice(1, -1) : `it answers ${answer}`;
}
