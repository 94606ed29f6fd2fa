import { AmeshError } from "@authmesh/core";
import { loadGateway } from "../gateway/load-gateway.js";
import type { Verb } from "../verb.js";
import { manual } from "./gateway.js";

export const verb: Verb = {
  manual: {
    ...manual,
    description: [
      "With --gateway the same as `amesh gateway`, which is its name here.",
      ...manual.description,
    ],
    options: [{ flags: "--gateway", about: "needed: what is to be served" }, ...(manual.options ?? [])],
    examples: [["amesh serve --gateway --upstream http://127.0.0.1:8080", "as `amesh gateway --upstream …`"]],
  },

  async run({ argv }) {
    if (!argv.includes("--gateway"))
      throw new AmeshError("invalid_option", "What to serve is not said.", {
        fix: "`amesh gateway` runs the gateway, `amesh authority serve` an issuer, `amesh relay` a relay.",
      });
    const { runGateway } = await loadGateway();
    return runGateway(
      argv.filter((argument) => argument !== "--gateway"),
      { command: "amesh gateway" },
    );
  },
};
