import type { BodyHashAlgorithm } from "@authmesh/core";

/** What a verifier may ask of a body, by the request's Content-Digest; it is read in full once the hashes are there. */
export const digestAlgorithms = (contentDigest: string | null | undefined): readonly BodyHashAlgorithm[] =>
  contentDigest?.includes("sha-512") ? ["sha256", "sha512"] : ["sha256"];
