import { type Failure, failure, quoteForeign } from "../errors.js";
import { nonceBinds, normalizeHost } from "../host-binding.js";
import type { IncomingRequest } from "../request.js";
import type { ExpectedHosts, RequestSettings, VerificationContext, VerifierSettings } from "./context.js";

/**
 * The hosts a request may have been made for.
 *
 * They come from configuration. Host is written by whoever sends the request, so it can only narrow them: a request
 * that names one of several configured hosts must have been made for that one.
 */
export function expectedHosts(
  request: IncomingRequest,
  settings: Pick<RequestSettings, "audience" | "trustProxy">,
  sealed: readonly string[] = [],
): ExpectedHosts {
  const configured = settings.audience.length > 0 ? settings.audience : sealed;
  const received = receivedHost(request, settings, configured);
  return { configured, received, acceptable: hostsFor(configured, received) };
}

/** Those of a verifier that knows devices, and with them the sealed state's audience. */
export function hostsOfVerifier(
  request: IncomingRequest,
  settings: VerifierSettings,
): ExpectedHosts | Failure {
  const hosts = expectedHosts(request, settings, settings.trust.audience);
  if (!settings.requireHostBinding || hosts.configured.length > 0) return hosts;
  return failure(
    "verifier_not_ready",
    "requireHostBinding needs to know this server's hosts, and there is no audience.",
    "Set audience, AMESH_AUDIENCE, or `amesh init --audience`.",
  );
}

/** Is the nonce bound to this server, and to reading the body as it is to be read? */
export function bindingFits(context: VerificationContext, settings: VerifierSettings): Failure | undefined {
  const hosts = hostsOfVerifier(context.request, settings);
  if ("code" in hosts) return hosts;
  if (hosts.acceptable.some((host) => nonceBinds(context.header.nonceBytes, context.boundTo(host))))
    return undefined;
  const detail = whatDiffers(context, hosts);
  if (context.device.bound || settings.requireHostBinding) return failure("host_mismatch", detail);
  context.warnings.push(`accepted without a binding to this host: ${detail}`);
  return undefined;
}

/** Routers look at the name and not at the port, so one that is configured under any port narrows too. */
function hostsFor(configured: readonly string[], received: string | undefined): readonly string[] {
  if (received === undefined) return configured;
  if (configured.length === 0 || configured.includes(received)) return [received];
  const named = configured.filter((host) => nameOf(host) === nameOf(received));
  return named.length > 0 ? named : configured;
}

const nameOf = (host: string): string => host.replace(/:\d+$/, "");

/** X-Forwarded-Host counts only where its name is in the audience. */
function receivedHost(
  request: IncomingRequest,
  { trustProxy }: Pick<RequestSettings, "trustProxy">,
  configured: readonly string[],
): string | undefined {
  if (trustProxy) {
    // Of several names frameworks take the first, which the proxy nearest to the caller wrote.
    const [first] = request.headers("x-forwarded-host")[0]?.split(",") ?? [];
    const forwarded = inOneSpelling(first?.trim(), configured);
    if (forwarded !== undefined && configured.some((host) => nameOf(host) === nameOf(forwarded)))
      return forwarded;
  }
  return inOneSpelling(request.headers("host")[0], configured);
}

/** What is spelt as the audience is needs no URL parser. */
const inOneSpelling = (host: string | undefined, configured: readonly string[]): string | undefined =>
  host === undefined || configured.includes(host) ? host : normalizeHost(host);

/**
 * The tag in the nonce does not say which of the three it was made for; trying the likely values of the others
 * does. Only for the operator's log.
 */
function whatDiffers(context: VerificationContext, { configured, received }: ExpectedHosts): string {
  const { contentType, contentEncoding } = context;
  const hosts = [...new Set([...configured, ...(received === undefined ? [] : [received])])].slice(0, 8);
  const fits = (host: string, type: string, encoding: string) =>
    nonceBinds(context.header.nonceBytes, { host, contentType: type, contentEncoding: encoding });

  const signedFor = hosts.find((host) => fits(host, contentType, contentEncoding));
  if (signedFor !== undefined) return signedForAnother(signedFor, configured, received);
  for (const host of hosts) {
    if (likelyTypes.some((type) => fits(host, type, contentEncoding))) {
      return `signed with another content type than ${quoteForeign(contentType)}`;
    }
    if (likelyEncodings.some((encoding) => fits(host, contentType, encoding))) {
      return `signed with another content encoding than ${quoteForeign(contentEncoding)}`;
    }
  }
  return (
    `the nonce is not bound to any of the hosts ${inWords(configured)} with content type ${quoteForeign(contentType)}` +
    ` and content encoding ${quoteForeign(contentEncoding)}; the request came with Host ${quoteForeign(received ?? "")}`
  );
}

/** Why a request is refused that was made for `signedFor`. */
export function signedForAnother(
  signedFor: string,
  configured: readonly string[],
  received: string | undefined,
): string {
  return configured.includes(signedFor)
    ? `signed for the host ${quoteForeign(signedFor)}, but came for ${quoteForeign(received ?? "")}`
    : `signed for the host ${quoteForeign(signedFor)}, which is not in the audience (${inWords(configured)})`;
}

const inWords = (configured: readonly string[]): string => configured.join(", ") || "none configured";

const likelyTypes = [
  "",
  "application/json",
  "application/json;charset=UTF-8",
  "application/json; charset=utf-8",
  "text/plain",
  "text/plain;charset=UTF-8",
  "application/x-www-form-urlencoded",
  "application/x-www-form-urlencoded;charset=UTF-8",
  "application/octet-stream",
];
const likelyEncodings = ["", "gzip", "deflate", "br", "zstd", "identity"];
