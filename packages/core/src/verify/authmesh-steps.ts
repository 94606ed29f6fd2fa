import { parseAuthMeshHeader } from "../authorization-header.js";
import { failure } from "../errors.js";
import { signableRequest } from "../signable.js";
import { bindingFits } from "./binding.js";
import type { Step } from "./context.js";
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

const headerPresent: Step = {
  name: "header",
  run(context) {
    const values = context.request.headers("authorization");
    if (values.length === 0) return failure("missing_header");
    if (values.length > 1) return failure("malformed_header", "There is more than one Authorization header.");
    const header = parseAuthMeshHeader(values[0] as string);
    if ("code" in header) return header;
    context.header = header;
    context.claimedKey = header.key;
    context.timestamp = Number(header.timestamp);
    return undefined;
  },
};

const clockFits: Step = {
  name: "clock",
  run({ timestamp }, { now, clockSkewSeconds }) {
    const difference = Math.floor(now() / 1000) - timestamp;
    if (Math.abs(difference) <= clockSkewSeconds) return undefined;
    const side = difference > 0 ? "behind" : "ahead of";
    return failure(
      "clock_skew",
      `The request's time is ${Math.abs(difference)} s ${side} this server's; ${clockSkewSeconds} are allowed.`,
    );
  },
};

const hostBound: Step = { name: "binding", run: bindingFits };

const bodyRead: Step = {
  name: "body",
  run(context, settings) {
    context.bodyHash = hashOfNothing;
    if (!context.request.hasBody) return undefined;
    context.bodyHash = undefined;
    return awaitBody(context, settings, "sha256").then((hex) => {
      context.bodyHash = { algorithm: "sha256", hex };
      return undefined;
    });
  },
};

const signatureFits: Step = {
  name: "signature",
  run(context) {
    const { request, header, bodyHash, signingKey } = context;
    const { timestamp, nonce, signature } = header;
    const message = signableRequest(request.method, request.target, timestamp, nonce, bodyHash?.hex ?? "");
    if (!signingKey.verify(message, signature)) return failure("signature_invalid");
    context.signed = { kind: "authmesh", message, signature };
    return undefined;
  },
};

const nonceFresh: Step = {
  name: "nonce",
  run(context, settings) {
    const { header, timestamp, device } = context;
    const { nonceWindowSeconds, clockSkewSeconds } = settings;
    return spend(context, settings, {
      name: `am:${device.deviceId}:${header.nonce}`,
      signedAt: timestamp,
      // Twice the skew is how long a timestamp can be acceptable; 1 s for rounding, 10 s for instances whose clocks differ.
      windowSeconds: Math.max(nonceWindowSeconds, 2 * clockSkewSeconds + keptLonger),
    });
  },
};

/**
 * How a request with an AuthMesh header is verified, in this order: cheap first, state last
 * (docs/protocol.md, sections 2 and 4). Device, expiry, clock, revocation and delegation stand twice, for a body can
 * be slow; the nonce comes after the signature, so that nobody burns nonces without the key.
 */
export const authMeshSteps: readonly Step[] = [
  headerPresent,
  targetReadsOneWay,
  bodyReadsOneWay,
  allowListIntact,
  delegationRead,
  deviceIsController,
  entryNotExpired,
  clockFits,
  hostBound,
  notRevoked,
  delegationHolds,
  bodyRead,
  signatureFits,
  allowListIntact,
  deviceIsController,
  entryNotExpired,
  clockFits,
  notRevoked,
  delegationHolds,
  nonceFresh,
  scopeSuffices,
];
