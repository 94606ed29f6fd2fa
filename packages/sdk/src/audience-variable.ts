import { splitHosts } from "@authmesh/core";

/** The hosts that AMESH_AUDIENCE names, separated by commas. */
export const audienceFromEnvironment = (
  env: Readonly<Record<string, string | undefined>> = globalThis.process?.env ?? {},
): readonly string[] => splitHosts(env["AMESH_AUDIENCE"] ?? "");
