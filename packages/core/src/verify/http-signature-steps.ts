import { type Failure, failure } from "../errors.js";
import { readContentDigest } from "../http-signature/content-digest.js";
import { mustCover, readHttpSignature } from "../http-signature/profile.js";
import { signableHttpMessage } from "../signable.js";
import { expectedHosts, signedForAnother } from "./binding.js";
import type { Step, VerificationContext, VerifierSettings } from "./context.js";
import { delegationHolds, delegationRead } from "./delegation-steps.js";
import {
  allowListIntact,
  awaitBody,
  bodyReadsOneWay,
  deviceIsController,
  entryNotExpired,
  hashOfNothing,
  keptLonger,
  notRevoked,
  scopeSuffices,
  spend,
  targetReadsOneWay,
} from "./steps.js";

const signatureRead: Step = {
  name: "header",
  run(context) {
    context.httpSignature = readHttpSignature(context.request);
    context.claimedId = context.httpSignature.deviceId;
    return undefined;
  },
};

const coverageWhole: Step = {
  name: "coverage",
  run(context) {
    const { request, httpSignature } = context;
    const covered = new Set(httpSignature.components.map(({ identifier }) => identifier));
    const left = mustCover(request).filter((name) => !covered.has(`"${name}"`));
    if (left.length > 0)
      return failure("coverage_incomplete", `The HTTP signature does not cover ${left.join(", ")}.`);
    if (request.hasBody) context.bodyDigests = readContentDigest(request.headers("content-digest"));
    return undefined;
  },
};

const lifetimeFits: Step = {
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
    const hosts = expectedHosts(context.request, settings);
    if ("code" in hosts) return hosts;
    if (hosts.acceptable.length === 0)
      return failure("host_mismatch", "There is no audience, and the request names no host.");
    context.hosts = hosts;
    return undefined;
  },
};

const digestFits: Step = {
  name: "body",
  run(context, settings) {
    if (context.bodyDigests.length > 0) return compareDigests(context, settings);
    context.bodyHash = hashOfNothing;
    return undefined;
  },
};

async function compareDigests(
  context: VerificationContext,
  settings: VerifierSettings,
): Promise<Failure | undefined> {
  for (const { algorithm, hex } of context.bodyDigests) {
    const received = await awaitBody(context, settings, algorithm);
    context.bodyHash ??= { algorithm, hex: received };
    if (received !== hex)
      return failure("signature_invalid", `Content-Digest is of another body (${algorithm}).`);
  }
  return undefined;
}

const signatureFits: Step = {
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
