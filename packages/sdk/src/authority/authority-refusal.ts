import { AmeshError, failure, foreignSentence, lookUp } from "@authmesh/core";
import type { Answer } from "./json-answer.js";

/**
 * The authority's own failure, where its problem document names one that there is; else `service_error`.
 *
 * @param fix what mends it where the answer does not say
 */
export function authorityRefusal({ status, body }: Answer, fix?: string): AmeshError {
  const { error, detail, fix: told } = body;
  const code = typeof error === "string" ? lookUp(error.split(":")[0] as string)?.code : undefined;
  return code === undefined
    ? new AmeshError("service_error", `The authority answered ${status}.`, {
        fix: fix ?? "Check the authority's URL; the reason is in its log.",
      })
    : new AmeshError(failure(code, foreignSentence(detail), foreignSentence(told) ?? fix));
}
