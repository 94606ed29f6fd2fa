import { AmeshError, quoteForeign } from "@authmesh/core";
import type { TokenAlgorithm } from "@authmesh/oath";
import type { AuthorityState } from "../open-state.js";
import { KeyRing } from "./key-ring.js";
import { tokenAlgorithms } from "./new-signing-key.js";

/**
 * The signing keys of an authority, for a person's command. Running replicas see what it changes.
 *
 * @param algorithm of keys that are made; default "EdDSA"
 * @throws AmeshError `invalid_option` for an algorithm there is not
 */
export function openKeyRing(
  { store, sealing }: Pick<AuthorityState, "store" | "sealing">,
  { algorithm = "EdDSA" }: { readonly algorithm?: string | undefined } = {},
): KeyRing {
  const known = tokenAlgorithms.find((name) => name === algorithm) as TokenAlgorithm | undefined;
  if (known === undefined)
    throw new AmeshError(
      "invalid_option",
      `${quoteForeign(algorithm)} is none of ${tokenAlgorithms.join(", ")}.`,
    );
  return new KeyRing({
    store,
    sealing,
    algorithm: known,
    rotateAfter: Number.POSITIVE_INFINITY,
    now: Date.now,
  });
}
