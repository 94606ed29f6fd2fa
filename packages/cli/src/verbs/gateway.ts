import {
  fileArgument,
  gatewayEnvironment,
  proxyingOptions,
  servingExit,
  verifyingOptions,
} from "../gateway/gateway-manual.js";
import { loadGateway } from "../gateway/load-gateway.js";
import type { Manual } from "../manual.js";
import type { Verb } from "../verb.js";

export const manual: Manual = {
  description: [
    "Runs a reverse proxy until a signal stops it. It lets through whom amesh verified, and tells the service behind who called in headers X-AuthMesh-…; what callers send under such names is removed. The service need not know anything of amesh.",
    "The configuration is read again when its file changes, or at SIGHUP; one that cannot be used changes nothing. /health, /ready and /metrics answer on a port of their own.",
  ],
  arguments: [fileArgument],
  options: [...proxyingOptions, ...verifyingOptions],
  environment: gatewayEnvironment,
  examples: [
    ["amesh gateway --upstream http://127.0.0.1:8080 --audience api.example.com", "one service"],
    ["amesh gateway gateway.yaml", "with routes, upstreams and limits"],
    ["amesh gateway --upstream http://127.0.0.1:8080 --cert api.pem --key api-key.pem", "with TLS"],
  ],
  exit: servingExit,
};

export const verb: Verb = {
  manual,

  async run({ argv }) {
    const { runGateway } = await loadGateway();
    return runGateway(argv, { command: "amesh gateway" });
  },
};
