import { AmeshError, type IncomingRequest, quoteForeign } from "@authmesh/core";

/** The proxies whose questions are understood (docs/protocol.md, section 14.8). */
export type ProxyName = "nginx" | "caddy" | "traefik" | "envoy";

/** What a proxy asks, before any of its body is read. */
export type Question = Pick<IncomingRequest, "method" | "target" | "headers" | "hasBody">;

/** Of the body of the request that is asked about: there is none, there may be one, or it came with the question. */
export interface ToldBody {
  readonly kind: "none" | "unseen" | "shown";
  /** Its Content-Length, where the proxy says. */
  readonly length?: string;
}

export interface ProxyDialect {
  /** Where the proxy tells of the request; absent where it asks with the request's own method, target and host. */
  readonly told?: { readonly method: string; readonly target: string; readonly host: string };
  /** @throws AmeshError `ambiguous_request` */
  readonly body: (question: Question, method: string) => ToldBody;
  /** What the proxy makes of a header that the answer does not have is no header either. Every one is there then, if empty. */
  readonly copiesAbsent?: true;
  /** Of a status of ours, what the proxy can pass on. Default: all. */
  readonly status?: (status: number) => number;
}

/** Headers beside those of `told` that proxies write, so that they say nothing of the caller. */
export const writtenByProxies: ReadonlySet<string> = new Set([
  "connection",
  "forwarded",
  "keep-alive",
  "te",
  "transfer-encoding",
  "upgrade",
  "x-envoy-auth-partial-body",
  "x-original-content-length",
  "x-original-framing",
  "x-real-ip",
]);

const xForwarded = { method: "x-forwarded-method", target: "x-forwarded-uri", host: "x-forwarded-host" };
const xOriginal = { method: "x-original-method", target: "x-original-uri", host: "x-original-host" };

export const proxyDialects: Readonly<Record<ProxyName, ProxyDialect>> = {
  nginx: {
    told: xOriginal,
    body: framed,
    // auth_request makes a 500 of anything but 2xx, 401 and 403.
    status: (status) => (status < 500 && status !== 401 ? 403 : status),
  },
  caddy: {
    told: xForwarded,
    copiesAbsent: true,
    body(question, method) {
      refuseOwnBody(question);
      return unsaid(question, method);
    },
  },
  traefik: {
    told: xForwarded,
    body: (question, method) => (question.hasBody ? shown(question) : unsaid(question, method)),
  },
  envoy: {
    body(question, method) {
      if (!question.hasBody) return unsaid(question, method);
      const [partial, ...more] = question.headers("x-envoy-auth-partial-body");
      return partial === "false" && more.length === 0 ? shown(question) : { kind: "unseen" };
    },
  },
};

const shown = (question: Question): ToldBody => ({
  kind: "shown",
  ...lengthOf(question.headers("content-length")[0]),
});

/** What nginx knows of a body before it has read it: protocol, Content-Length and Transfer-Encoding. */
function framed(question: Question, method: string): ToldBody {
  refuseOwnBody(question);
  const text = onlyValue(question, "x-original-framing");
  const [, version, length = "", encoding = ""] = /^HTTP\/(\d)\.\d;(\d{0,15});(.{0,64})$/.exec(text) ?? [];
  if (version === undefined) throw ambiguous(`X-Original-Framing is ${quoteForeign(text)}.`);
  const silent = length === "" && encoding === "";
  // HTTP/2 and 3 mark the end of a body by themselves.
  if (silent && version !== "1") return unsaid(question, method);
  return silent || (/^0+$/.test(length) && encoding === "")
    ? { kind: "none" }
    : { kind: "unseen", ...lengthOf(length) };
}

const withoutBodyAsARule = new Set(["GET", "HEAD", "OPTIONS"]);

/** Where the proxy has no say, only the method and what a hint takes away from it are left. */
function unsaid(question: Question, method: string): ToldBody {
  const hint = question.headers("x-original-content-length").find((length) => !/^0*$/.test(length.trim()));
  return hint === undefined && withoutBodyAsARule.has(method)
    ? { kind: "none" }
    : { kind: "unseen", ...lengthOf(hint) };
}

const lengthOf = (length = ""): Pick<ToldBody, "length"> => (length === "" ? {} : { length });

/** It need not ever come: nginx announces the caller's body, unless it is told not to, and sends none. */
function refuseOwnBody(question: Question): void {
  if (question.hasBody) throw ambiguous("The proxy's question announces a body, and should have none.");
}

/** @throws AmeshError `ambiguous_request` for a header that is missing, or there twice */
export function onlyValue(question: Question, name: string): string {
  const [value, ...more] = question.headers(name);
  if (value !== undefined && more.length === 0) return value;
  throw ambiguous(`The proxy's question has ${more.length === 0 ? "no" : "more than one"} header ${name}.`);
}

export const ambiguous = (detail: string): AmeshError =>
  new AmeshError("ambiguous_request", detail, {
    fix: "Set the proxy up as its page in the guide says: docs/guide/authz-nginx.md and its neighbours.",
  });
