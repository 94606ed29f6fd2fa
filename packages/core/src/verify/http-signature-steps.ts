import { type Failure, failure } from "../errors.js";
import { readContentDigest } from "../http-signature/content-digest.js";
import { mustCover, readHttpSignature } from "../http-signature/profile.js";
import { signableHttpMessage } from "../signable.js";
import { expectedHosts, hostsOfVerifier, signedForAnother } from "./binding.js";
import type { ExpectedHosts, RequestSettings, RequestStep, Step, VerificationContext } from "./context.js";
import { delegationHolds, delegationRead } from "./delegation-steps.js";
import { keptLonger } from "./spend-nonce.js";
import {
  allowListIntact,
  awaitBody,
  bodyReadsOneWay,
  deviceIsController,
  entryNotExpired,
  hashOfNothing,
  notRevoked,
  scopeSuffices,
  spend,
  targetReadsOneWay,
} from "./steps.js";

const signatureRead: Step = {
  name: "header",
  run(context) {
    context.httpSignature = readHttpSignature(context.request);
    context.claimedId = context.httpSignature.keyid;
    return undefined;
  },
};

export const coverageWhole: RequestStep = {
  name: "coverage",
  run(context) {
    const { request, httpSignature, alsoCovered } = context;
    const covered = new Set(httpSignature.components.map(({ identifier }) => identifier));
    const left = [...mustCover(request), ...alsoCovered].filter((name) => !covered.has(`"${name}"`));
    if (left.length > 0)
      return failure("coverage_incomplete", `The HTTP signature does not cover ${left.join(", ")}.`);
    if (request.hasBody) context.bodyDigests = readContentDigest(request.headers("content-digest"));
    return undefined;
  },
};

export const lifetimeFits: RequestStep = {
  name: "clock",
  run({ httpSignature: { created, expires } }, { now, clockSkewSeconds }) {
    const seconds = Math.floor(now() / 1000);
    if (created > seconds + clockSkewSeconds)
      return failure(
        "clock_skew",
        `The signature was made ${created - seconds} s ahead of this server's time; ${clockSkewSeconds} are allowed.`,
      );
    if (seconds > expires + clockSkewSeconds)
      return failure(
        "clock_skew",
        `The signature expired ${seconds - expires} s ago; ${clockSkewSeconds} are allowed.`,
      );
    return undefined;
  },
};

/** For which host it was signed only the signature can tell; here is found out which ones to ask about. */
const hostKnown: Step = {
  name: "binding",
  run(context, settings) {
    const hosts = hostsOfVerifier(context.request, settings);
    return "code" in hosts ? hosts : useHosts(context, hosts);
  },
};

/** Likewise, where only the configuration knows of hosts. */
export const configuredHostKnown: RequestStep = {
  name: "binding",
  run: (context, settings) => useHosts(context, expectedHosts(context.request, settings)),
};

function useHosts(context: VerificationContext, hosts: ExpectedHosts): Failure | undefined {
  if (hosts.acceptable.length === 0)
    return failure("host_mismatch", "There is no audience, and the request names no host.");
  context.hosts = hosts;
  return undefined;
}

export const digestFits: RequestStep = {
  name: "body",
  run(context, settings) {
    if (context.bodyDigests.length > 0) return compareDigests(context, settings);
    context.bodyHash = hashOfNothing;
    return undefined;
  },
};

async function compareDigests(
  context: VerificationContext,
  settings: RequestSettings,
): Promise<Failure | undefined> {
  for (const { algorithm, hex } of context.bodyDigests) {
    const received = await awaitBody(context, settings, algorithm);
    context.bodyHash ??= { algorithm, hex: received };
    if (received !== hex)
      return failure("signature_invalid", `Content-Digest is of another body (${algorithm}).`);
  }
  return undefined;
}

export const signatureFits: RequestStep = {
  name: "signature",
  run(context) {
    const { request, httpSignature, hosts, signingKey } = context;
    const { configured, received, acceptable } = hosts;
    const { method, target } = request;
    const headers = (name: string) => request.headers(name);
    const { signature } = httpSignature;
    const isFor = (authority: string) => {
      const message = signableHttpMessage({ method, target, authority, headers }, httpSignature);
      if (!signingKey.verify(message, signature)) return false;
      context.signed = { kind: "http-signature", message, signature };
      return true;
    };
    if (acceptable.some(isFor)) return undefined;
    return received !== undefined && !acceptable.includes(received) && isFor(received)
      ? failure("host_mismatch", signedForAnother(received, configured, received))
      : failure("signature_invalid");
  },
};

const nonceFresh: Step = {
  name: "nonce",
  run(context, settings) {
    const { httpSignature, device } = context;
    const { created, expires, nonce } = httpSignature;
    return spend(context, settings, {
      name: `hs:${device.deviceId}:${nonce}`,
      signedAt: created,
      // 1 s for rounding, 10 s for instances whose clocks differ.
      windowSeconds: expires + settings.clockSkewSeconds + keptLonger - Math.floor(settings.now() / 1000),
    });
  },
};

/**
 * How a request with an HTTP signature is verified (docs/protocol.md, section 3), in the order of the AuthMesh header,
 * and for the same reasons.
 */
export const httpSignatureSteps: readonly Step[] = [
  signatureRead,
  targetReadsOneWay,
  bodyReadsOneWay,
  coverageWhole,
  allowListIntact,
  delegationRead,
  deviceIsController,
  entryNotExpired,
  lifetimeFits,
  hostKnown,
  notRevoked,
  delegationHolds,
  digestFits,
  signatureFits,
  allowListIntact,
  deviceIsController,
  entryNotExpired,
  lifetimeFits,
  notRevoked,
  delegationHolds,
  nonceFresh,
  scopeSuffices,
];
