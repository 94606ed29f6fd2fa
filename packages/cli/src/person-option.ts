import { AmeshError } from "@authmesh/core";

/**
 * Does what throws a TypeError for an option that makes no sense: a programmer's mistake, but here a person gave it.
 *
 * @throws AmeshError `invalid_option`
 */
export function asPersonsOption<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    throw new AmeshError("invalid_option", cause.message, { cause });
  }
}
