import type { Environment } from "@authmesh/keystore";
import type { GatewaySettings } from "../config/settings.js";
import { originAt } from "../listen-on.js";
import type { Arguments } from "./command-line.js";
import { nextStep } from "./next-step.js";
import type { ServedAddress } from "./served.js";

/** What a person is told when everything is open, with the next step. */
export async function greeting(
  { command, values }: Arguments,
  address: ServedAddress,
  settings: GatewaySettings,
  env: Environment,
): Promise<string> {
  const { url, adminPort } = address;
  const { admin } = settings;
  const watched =
    admin === undefined || adminPort === undefined
      ? ""
      : `Health and metrics are at ${originAt("http", admin.host, adminPort)}\n`;
  if (command === "authz")
    return `The gateway answers ${values.get("proxy")} at ${url}
${watched}Next: have the proxy ask there, as docs/guide/authz-${values.get("proxy")}.md says
`;
  return `The gateway listens at ${url}
${watched}${await nextStep(settings, address, env)}
`;
}
