/** The hosts that AMESH_AUDIENCE names, separated by commas. */
export function audienceFromEnvironment(
  env: Readonly<Record<string, string | undefined>> = globalThis.process?.env ?? {},
): readonly string[] {
  return (env["AMESH_AUDIENCE"] ?? "")
    .split(",")
    .map((host) => host.trim())
    .filter((host) => host !== "");
}
