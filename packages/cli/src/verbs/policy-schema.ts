import { policySchema } from "@authmesh/oath";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Prints the JSON Schema of a policy document, for editors and other tools; --json makes no difference. Policies in YAML and what Pkl evaluates to are held to the same schema.",
    ],
    examples: [["amesh policy schema > policy-1.json", "for an editor that checks as you type"]],
    exit: [["0", "printed"]],
  },

  async run() {
    process.stdout.write(`${JSON.stringify(policySchema, null, 2)}\n`);
    return undefined;
  },
};
