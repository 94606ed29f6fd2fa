import { loadGateway } from "../gateway/load-gateway.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Prints the JSON Schema of a gateway's configuration, for editors and other tools; --json makes no difference.",
    ],
    examples: [["amesh gateway schema > gateway-1.json", "for an editor that checks as you type"]],
    exit: [
      ["0", "printed"],
      ["4", "the package @authmesh/gateway is not installed"],
    ],
  },

  async run() {
    const { runGateway } = await loadGateway();
    return runGateway(["schema"], { command: "amesh gateway" });
  },
};
