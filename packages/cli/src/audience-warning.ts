import { audienceFromEnvironment } from "@authmesh/sdk";

/** The hosts this machine answers to: AMESH_AUDIENCE, else those sealed in the allow list. */
export function effectiveAudience(sealed: readonly string[]): readonly string[] {
  const named = audienceFromEnvironment();
  return named.length > 0 ? named : sealed;
}

/** What to tell the operator of a machine that is called and does not know its own hosts. */
export function audienceWarning(
  sealed: readonly string[],
): { readonly detail: string; readonly fix: string } | undefined {
  if (effectiveAudience(sealed).length > 0) return undefined;
  return {
    detail: "No audience is set, so a request that another server captured can be played to this machine.",
    fix: "Name the hosts callers use: AMESH_AUDIENCE=api.example.com, or `amesh listen --audience api.example.com`.",
  };
}
