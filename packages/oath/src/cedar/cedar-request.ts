import type { CedarValueJson, Context, TypeAndId } from "@cedar-policy/cedar-wasm/nodejs";
import type { PolicyInput } from "../policy/policy-engine.js";

export interface CedarRequest {
  readonly principal: TypeAndId;
  readonly action: TypeAndId;
  readonly resource: TypeAndId;
  readonly context: Context;
}

/** What is decided on, in Cedar's words (docs/protocol.md, section 8.8). What the input lacks, the context lacks. */
export function cedarRequest(input: PolicyInput): CedarRequest {
  const { subject, action, audience, scopes, issuer, source, env, tenant, method, path, time } = input;
  const context = {
    // Once more, as text: entities can be compared, but not with a pattern.
    subject,
    action,
    audience,
    scopes: [...scopes],
    issuer,
    source: source ? present(pickSource(source)) : undefined,
    env,
    tenant,
    method,
    path,
    time: { __extn: { fn: "datetime", arg: new Date(time * 1000).toISOString() } },
  };
  return {
    principal: { type: "Caller", id: subject },
    action: { type: "Action", id: action },
    resource: { type: "Audience", id: audience },
    context: present(context),
  };
}

/** Cedar stops working at half a surrogate pair. */
export const isWellFormed = (value: unknown): boolean =>
  typeof value === "string"
    ? value.isWellFormed()
    : typeof value !== "object" || value === null || Object.values(value).every(isWellFormed);

const pickSource = ({
  type,
  repository,
  ref,
  workflow,
  environment,
}: NonNullable<PolicyInput["source"]>) => ({
  type,
  repository,
  ref,
  workflow,
  environment,
});

const present = (members: Readonly<Record<string, CedarValueJson | undefined>>): Context =>
  Object.fromEntries(
    Object.entries(members).filter((entry): entry is [string, CedarValueJson] => entry[1] !== undefined),
  );
