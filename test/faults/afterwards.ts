import { createHash } from "node:crypto";
import { actsBehind, type LogMark } from "./evidence.js";
import { authorityUrl } from "./launches.js";
import type { Acknowledged } from "./office.js";
import type { Stage } from "./stage.js";

/** Of the tokens that were minted last, so many are asked for. */
const mostIntrospected = 20;

/** The writes that an authority's audit has, and that it tells of whoever asks it over HTTP. */
export async function toldAfterwards(
  stage: Stage,
  writes: readonly Acknowledged[],
  mark: LogMark,
): Promise<ReadonlySet<Acknowledged>> {
  const acts = actsBehind(mark);
  const [listed, fed] = await Promise.all([listedRevocations(stage), feedOfTokens(stage)]);
  const revoked = new Set(writes.filter(({ kind }) => kind === "revoked").map(({ subject }) => subject));
  const minted = writes.filter(({ kind, subject }) => kind === "minted" && !revoked.has(subject));
  const introspected = new Set(minted.slice(-mostIntrospected));
  const stands = async (write: Acknowledged): Promise<boolean> => {
    const { kind, subject, enrollment, token } = write;
    if (enrollment !== undefined) return (await stage.account.show(enrollment)).status === kind;
    if (kind === "revoked") return listed.has(subject) && fed.includes(entryOf(subject));
    return token === undefined || !introspected.has(write) || isActive(stage, token);
  };
  const found = new Set<Acknowledged>();
  // One after the other: what is open afterwards is counted.
  for (const write of writes)
    if (acts.has(`${write.kind} ${write.subject}`) && (await stands(write))) found.add(write);
  return found;
}

async function listedRevocations({ operator, scene }: Stage): Promise<ReadonlySet<string>> {
  const answer = await operator.fetch(`${authorityUrl(scene)}/v1/revocations`);
  const { revocations } = (await answer.json()) as {
    readonly revocations: readonly { readonly value: string; readonly removed?: boolean }[];
  };
  return new Set(revocations.filter(({ removed }) => !removed).map(({ value }) => value));
}

/** Feeds name tokens by a digest (docs/protocol.md, section 9.1). */
const entryOf = (jti: string): string => `jti:${createHash("sha256").update(jti).digest("base64url")}`;

/** As everybody may read it. */
const feedOfTokens = async ({ scene }: Stage): Promise<string> =>
  (await fetch(`${authorityUrl(scene)}/v1/feeds/tokens/snapshot`)).text();

async function isActive({ operator, scene }: Stage, token: string): Promise<boolean> {
  const answer = await operator.fetch(`${authorityUrl(scene)}/v1/introspect`, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ token }).toString(),
  });
  return ((await answer.json()) as { readonly active: boolean }).active;
}
