import { AmeshError, isJsonObject } from "@authmesh/core";
import { type Revocation, type RevocationSubject, readRevocationPage } from "@authmesh/oath";
import type { AskAuthority } from "./ask-authority.js";

/** What an entry is about; a list has one entry for each. */
export interface Named {
  readonly by: RevocationSubject;
  readonly value: string;
}

const path = "/v1/revocations";
const changesAtOnce = 2000;
/** A million changes, in so many answers; a list of the command line is for people. */
const mostPages = 500;

/**
 * @param expiresAt Unix seconds; undefined: for good
 * @returns until when the entry stands, which may be later
 */
export async function addRevocation(
  ask: AskAuthority,
  { by, value }: Named,
  { reason, expiresAt }: { readonly reason: string; readonly expiresAt: number | undefined },
): Promise<number | undefined> {
  const standing = await ask("POST", path, { by, value, reason, expiresAt });
  return typeof standing["expiresAt"] === "number" ? standing["expiresAt"] : undefined;
}

export async function removeRevocation(ask: AskAuthority, { by, value }: Named): Promise<void> {
  await ask("DELETE", `${path}?${new URLSearchParams({ by, value })}`);
}

/** Whether the authority publishes a key of this id. */
export async function isPublished(ask: AskAuthority, kid: string): Promise<boolean> {
  const { keys } = await ask("GET", "/.well-known/jwks.json");
  return Array.isArray(keys) && keys.some((key) => isJsonObject(key) && key["kid"] === kid);
}

/** Every entry in force, in the order in which they were made. @param now Unix seconds */
export async function listRevocations(ask: AskAuthority, now: number): Promise<readonly Revocation[]> {
  const entries = new Map<string, Revocation>();
  let after = 0;
  let log: string | undefined;
  for (let asked = 0; asked < mostPages; asked++) {
    const answer = await ask("GET", `${path}?after=${after}&from=0&limit=${changesAtOnce}`);
    const issuer = typeof answer["issuer"] === "string" ? answer["issuer"] : "";
    const page = readRevocationPage(answer, issuer, after);
    log ??= page.log;
    if (page.log !== log) break;
    for (const change of page.changes) {
      const entry = "removed" in change ? change.removed : change.revocation;
      const key = `${entry.by} ${entry.value}`;
      entries.delete(key);
      if ("revocation" in change) entries.set(key, change.revocation);
    }
    if (!page.more)
      return [...entries.values()].filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now);
    after = page.generation;
  }
  throw new AmeshError("revocation_unavailable", "The list is too long, or began anew while it was read.", {
    fix: "Run the command again.",
  });
}
