import type { PublicJwk } from "@authmesh/oath";
import type { SigningKey } from "../keys/signing-key.js";
import type { Database, Work } from "./tables.js";

export async function readKeys(database: Database | Work): Promise<readonly SigningKey[]> {
  const rows = await database.selectFrom("signing_keys").selectAll().orderBy("created_at").execute();
  return rows.map(({ kid, state, since, created_at, public_jwk, sealed }) => ({
    kid,
    state,
    since,
    createdAt: created_at,
    publicJwk: JSON.parse(public_jwk) as PublicJwk,
    ...(sealed === null ? {} : { sealed }),
  }));
}

/** There are a handful; a key is never taken out. */
export async function writeKeys(work: Work, keys: readonly SigningKey[]): Promise<void> {
  // First those that make room: never two of a state that only one may be in.
  for (const { kid, state, since, createdAt, publicJwk, sealed } of [...keys].sort(byState)) {
    const changing = { state, since, sealed: sealed ?? null };
    await work
      .insertInto("signing_keys")
      .values({ kid, created_at: createdAt, public_jwk: JSON.stringify(publicJwk), ...changing })
      .onConflict((conflict) => conflict.column("kid").doUpdateSet(changing))
      .execute();
  }
}

const order = { gone: 0, retiring: 1, active: 2, next: 3 } as const;
const byState = (a: SigningKey, b: SigningKey): number => order[a.state] - order[b.state];
