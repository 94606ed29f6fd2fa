import { type CatalogueEntry, catalogue } from "@authmesh/core";
import type { NamedFinding } from "../../finding.js";
import type { Destination, Reading } from "./arrival.js";
import type { ProbeRequest } from "./probe-request.js";
import type { Answer, Refusal } from "./service-connection.js";

/** What doctor found about one part of a request. */
export interface ServiceFinding extends NamedFinding {
  /** Of the refusal that it was seen by, to be looked up in the service's log. */
  readonly decision?: string;
}

/** Statuses by which proxies answer in place of the service, and why. */
const answersOfProxies: Readonly<Record<number, string>> = {
  411: "Something in front of it wants a Content-Length.",
  413: "Something in front of it takes smaller bodies only: nginx `client_max_body_size`, Caddy `request_body`.",
  414: "Something in front of it takes shorter URLs only: nginx `large_client_header_buffers`.",
  431: "Something in front of it takes shorter headers only: nginx `large_client_header_buffers`.",
  502: "A proxy cannot reach the service, or the service ends the connection.",
  504: "The service behind a proxy does not answer in time.",
};

const codesOfStore: readonly string[] = ["replay_store_unavailable", "replay_store_full"];

export function describeVerifier({ origin, pathname }: URL, { status, refusal }: Answer): ServiceFinding {
  const check = "Verifier";
  if (refusal?.code === "missing_header")
    return { check, verdict: "OK", detail: `amesh verifies ${origin}${pathname}.` };
  if (refusal !== undefined) return describeRefusal(check, refusal);
  return {
    check,
    verdict: "FAIL",
    detail: `A request without a proof is answered ${status}, and not by amesh.`,
    fix:
      answersOfProxies[status] ??
      "Name a URL that amesh verifies. If this is one, requests end up elsewhere, or a proxy answers in the service's place or takes the header AuthMesh-Decision off its answers.",
  };
}

/** Whether the proof arrives at all: who refuses it otherwise has read it. */
export function describeHeader({ status, refusal }: Answer): ServiceFinding {
  const check = "Authorization";
  if (refusal?.code === "missing_header")
    return {
      check,
      verdict: "FAIL",
      detail: "The header Authorization does not arrive.",
      fix: "nginx: no `proxy_set_header Authorization`. Caddy: no `header_up -Authorization`. Apache: `CGIPassAuth on`.",
      decision: refusal.decision,
    };
  if (refusal !== undefined && !["unauthorized", "scope_missing", ...codesOfStore].includes(refusal.code))
    return describeRefusal(check, refusal);
  const ofProxy = refusal === undefined ? answersOfProxies[status] : undefined;
  return ofProxy === undefined
    ? { check, verdict: "OK", detail: "It arrives." }
    : { check, verdict: "FAIL", detail: `A signed request is answered ${status}.`, fix: ofProxy };
}

/** Nonces are looked up once the proof was found right. Undefined when the store is at work. */
export function describeStore({ refusal }: Answer): ServiceFinding | undefined {
  if (refusal === undefined || !codesOfStore.includes(refusal.code)) return undefined;
  return describeRefusal("Nonce store", refusal);
}

/** @param ahead how far this machine's clock is ahead of one by which the service accepts, in seconds */
export function describeClock(ahead: number): ServiceFinding {
  const check = "Clock";
  if (ahead === 0) return { check, verdict: "OK", detail: "The service accepts this machine's time." };
  return {
    check,
    verdict: "FAIL",
    detail: `This machine's clock is ${Math.abs(ahead)} s ${ahead < 0 ? "behind" : "ahead of"} the service's.`,
    fix: "Set both clocks by NTP: timedatectl set-ntp true",
  };
}

export function describeReading(
  part: Reading["part"],
  changes: readonly Reading[],
  { host, pathname }: URL,
): ServiceFinding {
  const change = changes.find((candidate) => candidate.part === part);
  if (change !== undefined) return { check: part, verdict: "FAIL", detail: change.finding, fix: change.fix };
  return { check: part, verdict: "OK", detail: `The service accepts ${part === "Host" ? host : pathname}.` };
}

/** @param tried hosts that the proof was made for */
export function describeUnexplained(
  { upstreams }: Destination,
  { decision }: Refusal,
  tried: readonly string[],
): ServiceFinding {
  const hint =
    upstreams.length > 0
      ? ""
      : " If that is host_mismatch or signature_invalid, run this again with --upstream and what stands behind proxy_pass (nginx) or reverse_proxy (Caddy).";
  return {
    check: "Proof",
    verdict: "FAIL",
    detail: `Refused, and doctor cannot tell why. It may be a key that is unknown, expired or revoked there, the clock of the service, a host other than those below, or a path of the proxy's own.`,
    rows: [`Hosts tried: ${tried.join(", ")}`],
    fix: `Look for the decision ${JSON.stringify(decision)} in the service's log: the reason stands beside it.${hint}`,
    decision,
  };
}

/** Some frameworks look for a route first, and so answer in amesh's place. */
export function describeUnseen(
  check: string,
  { method, body }: ProbeRequest,
  { status }: Answer,
): ServiceFinding {
  const detail = `Such a request (${method}) is answered ${status} before amesh sees it.`;
  if (body === undefined) return { check, verdict: "SKIP", detail };
  return {
    check,
    verdict: "SKIP",
    detail,
    fix: "Name the method of a handler with --method. The handler runs, with a body that means nothing.",
  };
}

/** @param verdict what it comes to if a proxy refuses what amesh would take */
export function describeAccepted(
  check: string,
  verdict: "FAIL" | "WARN",
  { status, refusal }: Answer,
): ServiceFinding {
  const ofProxy = refusal === undefined ? answersOfProxies[status] : undefined;
  return ofProxy === undefined
    ? { check, verdict: "OK", detail: "It arrives as it was sent." }
    : { check, verdict, detail: `Such a request is answered ${status}.`, fix: ofProxy };
}

/** A refusal that is no riddle: its code says what it is. */
export function describeRefusal(
  check: string,
  { code, decision, retryAfterSeconds }: Refusal,
  verdict: "FAIL" | "WARN" = "FAIL",
): ServiceFinding {
  const { summary, fix }: CatalogueEntry = catalogue[code];
  const rows =
    retryAfterSeconds === undefined
      ? {}
      : { rows: [`It asks to be called again in ${retryAfterSeconds} s.`] };
  return { check, verdict, detail: `${summary} (${code})`, ...rows, fix, decision };
}

/** For a change that doctor did not think of. */
export const unknownChange = {
  finding: "It does not arrive as it was sent, and doctor cannot tell what was changed.",
  fix: "Compare what the service receives with what was sent; the service's log has the reason beside the decision id.",
};
