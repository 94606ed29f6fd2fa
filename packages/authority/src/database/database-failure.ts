import { AmeshError, quoteForeign } from "@authmesh/core";

/** Does what asks the database. @throws AmeshError `database_unavailable`; what is of the catalogue already stays so */
export async function attempt<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof AmeshError || cause instanceof TypeError) throw cause;
    throw databaseUnavailable(`It failed: ${kindOf(cause)}.`, cause);
  }
}

export const databaseUnavailable = (detail: string, cause?: unknown, fix?: string): AmeshError =>
  new AmeshError("database_unavailable", `The authority's database cannot be used. ${detail}`, {
    cause,
    ...(fix === undefined ? {} : { fix }),
  });

/** Its code and never its message, which may hold an address with a password in it. */
function kindOf(cause: unknown): string {
  if (!(cause instanceof Error)) return typeof cause;
  const { code } = cause as { readonly code?: unknown };
  return quoteForeign(typeof code === "string" ? code : cause.name);
}
