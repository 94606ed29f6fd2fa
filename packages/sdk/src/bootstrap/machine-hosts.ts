import { hostname } from "node:os";
import type { Environment } from "@authmesh/keystore";
import { audienceFromEnvironment } from "../audience-variable.js";

/** What this machine is called, for bootstrap tokens that name their host: its host name, and AMESH_AUDIENCE. */
export const machineHosts = (env: Environment = process.env): readonly string[] => [
  hostname(),
  ...audienceFromEnvironment(env).map((host) => host.replace(/:\d+$/, "")),
];
