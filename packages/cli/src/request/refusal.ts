import {
  AmeshError,
  type CatalogueEntry,
  catalogue,
  type ErrorCode,
  lookUp,
  parseStrictJson,
  quoteForeign,
} from "@authmesh/core";
import type { OpenIdentity } from "@authmesh/keystore";
import { fields, formatDevice } from "../layout.js";

/** What can be known from here about a request that was refused there. */
export interface Refusal {
  readonly error: AmeshError;
  /** For people. */
  readonly evidence: string;
  /** The same for programs. */
  readonly document: Readonly<Record<string, unknown>>;
}

interface Sender {
  readonly identity: OpenIdentity;
  /** As the URL names it. */
  readonly host: string;
}

/** Beyond so many seconds verifiers refuse, unless they were told otherwise. */
const clockTolerance = 30;

/** @param body of the response */
export function explainRefusal(response: Response, body: Uint8Array, { identity, host }: Sender): Refusal {
  const decision = response.headers.get("authmesh-decision");
  const code = decision === null ? "service_error" : refusalCode(body);
  const ahead = clockAhead(response.headers.get("date"));
  const device = identity.identity;
  const { summary, fix: usualFix }: CatalogueEntry = catalogue[code];
  const retryAfter = retryAfterSeconds(response.headers);
  const wait = retryAfter === undefined ? "" : `Try again in ${retryAfter} s (Retry-After). `;
  const fix = wait + (code === "unauthorized" ? whatToLookAt(ahead, device.deviceId, host) : usualFix);
  const error = new AmeshError(code, `The server answered ${response.status}. ${summary}`, { fix });
  const evidence: (readonly [label: string, value: string])[] = [
    ["Signed by", formatDevice(device)],
    ["Bound to", host],
  ];
  if (decision !== null) evidence.push(["Decision", quoteForeign(decision)]);
  if (ahead !== undefined) evidence.push(["Clock here", describeClock(ahead)]);
  return {
    error,
    evidence: fields(evidence),
    document: {
      error: { code, detail: error.message, fix },
      signedBy: device.deviceId,
      boundTo: host,
      decision,
      clockAheadSeconds: ahead ?? null,
      retryAfterSeconds: retryAfter ?? null,
    },
  };
}

/** The code that `amesh.verify` put into the body: `{"error":"unauthorized"}`. */
export function refusalCode(body: Uint8Array): ErrorCode {
  const { value } = parseStrictJson(body);
  const code = (value as { readonly error?: unknown } | null | undefined)?.error;
  return (typeof code === "string" ? lookUp(code)?.code : undefined) ?? "service_error";
}

/** Undefined when there is none, or a date: that is no answer of amesh's. */
export function retryAfterSeconds(headers: Headers): number | undefined {
  const text = headers.get("retry-after") ?? "";
  return /^[0-9]{1,6}$/.test(text) ? Number(text) : undefined;
}

/** By the Date header, which counts in whole seconds. Undefined when there is none. */
function clockAhead(date: string | null): number | undefined {
  const server = Date.parse(date ?? "");
  return Number.isNaN(server) ? undefined : Math.floor(Date.now() / 1000) - server / 1000;
}

function describeClock(ahead: number): string {
  if (Math.abs(ahead) <= 1) return "agrees with the server's";
  const difference = `${Math.abs(ahead)} s ${ahead < 0 ? "behind" : "ahead of"} the server's`;
  return Math.abs(ahead) <= clockTolerance ? difference : `${difference}; ${clockTolerance} s are tolerated`;
}

/** A 401 hides its reason; what can be seen from here says where to begin. */
function whatToLookAt(ahead: number | undefined, deviceId: string, host: string): string {
  if (ahead !== undefined && Math.abs(ahead) > clockTolerance) return catalogue.clock_skew.fix;
  return `On the server, \`amesh list\` must show ${deviceId} as [controller] and its audience must name ${host}; its log gives the reason beside the decision id.`;
}
