import { AmeshError } from "@authmesh/core";
import {
  integer,
  oneOf,
  optional,
  type Reader,
  readDocument,
  reasonText,
  record as shapeOf,
  text,
} from "@authmesh/core/records";
import type { Context } from "hono";
import type { RevocationChange } from "../authority-store.js";
import { refuseWithoutAudit, type Services } from "../services.js";
import { plainProblem } from "./problem.js";
import { checkRevocable } from "./revocable-value.js";

/** The last changes in one answer (docs/protocol.md, section 8.7). */
const mostChanges = 10_000;

const subjects = ["sub", "jti", "kid", "tenant"] as const;
const by = oneOf(...subjects);
const value = text(/^[\x21-\x7e]{1,512}$/, "1 to 512 visible ASCII characters");

const shape = shapeOf({
  by,
  value,
  reason: reasonText,
  expiresAt: optional(integer(1, Number.MAX_SAFE_INTEGER)),
});

/** An entry that some token can match. What was made before may be taken back whatever it is. */
const entryToMake: Reader<ReturnType<typeof shape>> = (value, at) => {
  const entry = shape(value, at);
  checkRevocable(entry);
  return entry;
};

/** Whether the list is told to everybody, without reasons and actors then, or to paired devices. */
export interface ListOptions {
  readonly toEverybody: boolean;
  /** Names this run of generations. */
  readonly log: string;
}

/** `GET /v1/revocations`, behind the verifier of paired devices, or before everybody. */
export async function answerRevocations(
  context: Context,
  { issuer, store }: Services,
  { toEverybody, log }: ListOptions,
): Promise<Response> {
  const after = queryNumber(context, "after", 0, Number.MAX_SAFE_INTEGER, 0);
  const limit = queryNumber(context, "limit", 1, mostChanges, mostChanges);
  const from = queryNumber(context, "from", 0, after, after);
  const page = await store.revocationsAfter(after, limit, from);
  if (page === undefined)
    return plainProblem(410, "These changes are not known any more.", "revocations_gone");
  const { last, changes } = page;
  const more = changes.length === limit && (changes.at(-1)?.generation ?? 0) < last;
  const generation = more ? (changes.at(-1)?.generation ?? after) : last;
  const etag = `"${log}.${generation}"`;
  const headers = { "Cache-Control": "no-store", ETag: etag };
  if (context.req.header("if-none-match") === etag && changes.length === 0)
    return context.body(null, 304, headers);
  const revocations = changes.map((change) => tell(change, toEverybody));
  return context.json({ issuer, log, generation, more, revocations }, 200, headers);
}

/**
 * `POST /v1/revocations`, behind the device verifier and the scope `revocations:w`. Here and in the next, what the audit
 * is told is written with the change: it cannot tell of one that did not happen.
 */
export async function answerRevoke(context: Context, services: Services): Promise<Response> {
  const { deviceId: actor } = context.get("authMesh");
  const body = new Uint8Array(await context.req.arrayBuffer());
  const entry = readDocument(
    body,
    entryToMake,
    "authority_request_invalid",
    "The revocation",
    { integers: true },
    "Send JSON with by (sub, jti, kid or tenant), value, reason and perhaps expiresAt in Unix seconds.",
  );
  const at = Math.floor(services.now() / 1000);
  if (entry.expiresAt !== undefined && entry.expiresAt <= at)
    throw new AmeshError("authority_request_invalid", "The revocation: expiresAt is over already.", {
      fix: "To end a revocation, DELETE it.",
    });
  refuseWithoutAudit(services);
  const standing = await services.store.addRevocation({ ...entry, actor, at });
  await services.tellChanges();
  services.metrics.add("revocations_total", "");
  return context.json(standing, 201, { "Cache-Control": "no-store" });
}

/** `DELETE /v1/revocations?by=…&value=…`, behind the same. */
export async function answerUnrevoke(context: Context, services: Services): Promise<Response> {
  const { deviceId: actor } = context.get("authMesh");
  const named = { by: context.req.query("by") ?? "", value: context.req.query("value") ?? "" };
  const entry = readDocument(
    JSON.stringify(named),
    shapeOf({ by, value }),
    "authority_request_invalid",
    "The query of the request",
    {},
    "Send by and value as `GET /v1/revocations` tells them.",
  );
  const at = Math.floor(services.now() / 1000);
  if (!(await services.store.hasRevocation(entry))) return noSuchRevocation();
  refuseWithoutAudit(services);
  const generation = await services.store.removeRevocation({ ...entry, actor, at });
  if (generation === undefined) return noSuchRevocation();
  await services.tellChanges();
  services.metrics.add("revocations_total", "");
  return context.json({ generation, ...entry }, 200, { "Cache-Control": "no-store" });
}

const noSuchRevocation = () =>
  plainProblem(
    404,
    "There is no such revocation. What was made by that of an enrollment, `amesh enroll unrevoke` takes back.",
    "not_found",
  );

function tell(change: RevocationChange, toEverybody: boolean): object {
  const { generation, by, value, reason, actor, at, expiresAt, removed } = change;
  if (removed) return { generation, by, value, removed };
  const about = toEverybody ? {} : { reason, actor };
  return { generation, by, value, ...about, at, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

function queryNumber(context: Context, name: string, least: number, most: number, otherwise: number): number {
  const text = context.req.query(name);
  if (text === undefined) return otherwise;
  const number = /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : -1;
  if (number >= least && number <= most) return number;
  throw new AmeshError(
    "authority_request_invalid",
    `The parameter ${name} is not an integer from ${least} to ${most}.`,
    { fix: "Ask for /v1/revocations?after=GENERATION&limit=N, both optional." },
  );
}
