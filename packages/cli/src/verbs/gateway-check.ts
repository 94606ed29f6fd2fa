import {
  configEnvironment,
  fileArgument,
  proxyingOptions,
  verifyingOptions,
} from "../gateway/gateway-manual.js";
import { loadGateway } from "../gateway/load-gateway.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Names everything that is wrong with a configuration, with line and column, the files that it names included; or shows its routes in the order in which they are chosen, with what each accepts and requires. Nothing is listened to, nobody is connected to.",
    ],
    arguments: [fileArgument],
    options: [
      { flags: "--authz", about: "as `amesh gateway authz` reads it: routes need no upstream" },
      ...proxyingOptions,
      ...verifyingOptions,
    ],
    environment: configEnvironment,
    examples: [
      ["amesh gateway check gateway.yaml", "before it is put in force"],
      ["amesh gateway check --json gateway.yaml", "for a program"],
    ],
    exit: [
      ["0", "it can be used"],
      ["1", "a file cannot be read"],
      ["2", "it cannot be used"],
      ["4", "the package @authmesh/gateway is not installed"],
    ],
  },

  async run({ argv }) {
    const { runGateway } = await loadGateway();
    return runGateway(["check", ...argv], { command: "amesh gateway" });
  },
};
