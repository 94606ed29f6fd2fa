import {
  fileArgument,
  gatewayEnvironment,
  servingExit,
  verifyingOptions,
} from "../gateway/gateway-manual.js";
import { loadGateway } from "../gateway/load-gateway.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Answers a proxy that asks about each of its requests, until a signal stops it: nginx (auth_request), Caddy (forward_auth), Traefik (ForwardAuth), Envoy (ext_authz). The answer is 200 with headers that say who called, or the refusal.",
      "It believes what the proxy says of the request, so that nobody but the proxy may reach it. Requests whose proof covers a body that the proxy does not show are refused.",
    ],
    arguments: [fileArgument],
    options: [
      { flags: "--proxy NAME", about: "who asks: nginx, caddy, traefik or envoy" },
      { flags: "--path-prefix PATH", about: "what Envoy writes before the path: its path_prefix" },
      ...verifyingOptions,
    ],
    environment: gatewayEnvironment,
    examples: [
      ["amesh gateway authz --proxy nginx --audience api.example.com", "beside an nginx on this machine"],
      ["amesh gateway authz --proxy envoy --port 9191 gateway.yaml", "with routes"],
    ],
    exit: servingExit,
  },

  async run({ argv }) {
    const { runGateway } = await loadGateway();
    return runGateway(["authz", ...argv], { command: "amesh gateway" });
  },
};
