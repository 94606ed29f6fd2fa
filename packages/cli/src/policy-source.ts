import { AmeshError, decodeUtf8, quoteForeign } from "@authmesh/core";
import type { PolicyFormat } from "@authmesh/oath/node";
import { readSource } from "./input-source.js";

/** As long as a policy may be. */
const maxBytes = 1_048_576;

/** A text beside a policy: a table of cases, an input. JSON by the name of its file, otherwise YAML. */
export async function readPolicyText(source: string): Promise<{ text: string; format: PolicyFormat }> {
  const text = decodeUtf8(await readSource(source, maxBytes));
  if (text === undefined) throw new AmeshError("policy_invalid", `${quoteForeign(source)} is not UTF-8.`);
  return { text, format: source.endsWith(".json") ? "json" : "yaml" };
}
