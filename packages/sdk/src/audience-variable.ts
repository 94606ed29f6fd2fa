import { checkAudience, splitHosts } from "@authmesh/core";

/** The hosts that AMESH_AUDIENCE names, separated by commas. */
export const audienceFromEnvironment = (
  env: Readonly<Record<string, string | undefined>> = globalThis.process?.env ?? {},
): readonly string[] => splitHosts(env["AMESH_AUDIENCE"] ?? "");

/**
 * The hosts that an option names; where it was left out, those of AMESH_AUDIENCE.
 *
 * @throws TypeError for what is not a host, and for an option without any
 */
export function configuredHosts(
  given: string | readonly string[] | undefined,
  option: string,
): readonly string[] | undefined {
  if (given !== undefined) return checkAudience(given, option);
  const hosts = audienceFromEnvironment();
  return hosts.length === 0 ? undefined : checkAudience(hosts, "AMESH_AUDIENCE");
}
