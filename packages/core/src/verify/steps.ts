import { crypto } from "#crypto";
import { parseAuthMeshHeader } from "../authorization-header.js";
import { AmeshError, type Failure, failure, quoteForeign } from "../errors.js";
import type { NonceStore } from "../nonce-store.js";
import { PublicKey } from "../public-key.js";
import { targetProblem } from "../request-target.js";
import { type Role, signableRequest } from "../signable.js";
import { bindingFits } from "./binding.js";
import type { Step, VerificationContext, VerifierSettings } from "./context.js";
import { delegationHolds, delegationRead } from "./delegation-steps.js";

const hashOfNothing = crypto.sha256Hex("");
const printable = /^[\t\x20-\x7e]*$/;
const overrideHeaders = [
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
];

const headerPresent: Step = {
  name: "header",
  run(context) {
    const values = context.request.headers("authorization");
    if (values.length === 0) return failure("missing_header");
    if (values.length > 1) return failure("malformed_header", "There is more than one Authorization header.");
    const header = parseAuthMeshHeader(values[0] as string);
    if ("code" in header) return header;
    context.header = header;
    context.timestamp = Number(header.timestamp);
    return undefined;
  },
};

const targetReadsOneWay: Step = {
  name: "target",
  run({ request }, { allowOverrideHeaders }) {
    const problem = targetProblem(request.target);
    if (problem !== undefined) {
      return failure(
        "malformed_target",
        `The target ${quoteForeign(request.target)} is refused: ${problem}.`,
      );
    }
    if (request.headers("host").length > 1)
      return failure("malformed_header", "There is more than one Host header.");
    for (const name of overrideHeaders) {
      if (request.headers(name).length > 0 && !allowOverrideHeaders.includes(name)) {
        return failure(
          "malformed_target",
          `The header ${name} may make a router see another request than the one signed.`,
          `Do not send it, or name it in the option allowOverrideHeaders.`,
        );
      }
    }
    return undefined;
  },
};

const bodyReadsOneWay: Step = {
  name: "body headers",
  run(context, { maxBodyBytes, contentEncodings }) {
    const { request } = context;
    context.contentType = "";
    context.contentEncoding = "";
    if (!request.hasBody) return undefined;
    for (const name of ["content-type", "content-encoding"] as const) {
      const values = request.headers(name);
      if (values.length > 1) return failure("malformed_header", `There is more than one ${name} header.`);
      const value = values[0] ?? "";
      if (!printable.test(value))
        return failure("malformed_header", `The header ${name} is not plain ASCII.`);
      context[name === "content-type" ? "contentType" : "contentEncoding"] = value.trim();
    }
    const encoding = context.contentEncoding.toLowerCase();
    if (encoding !== "" && encoding !== "identity" && !contentEncodings.includes(encoding)) {
      return failure("unsupported_content_encoding", `The body is encoded as ${quoteForeign(encoding)}.`);
    }
    const announced = Number(request.headers("content-length")[0] ?? 0);
    if (announced > maxBodyBytes) {
      return failure("payload_too_large", `The body has ${announced} bytes, the limit is ${maxBodyBytes}.`);
    }
    return undefined;
  },
};

const allowListIntact: Step = {
  name: "allow list",
  run: (_, { trust }) => trust.check(),
};

const deviceIsController: Step = {
  name: "device",
  run(context, { trust }) {
    const { header, presented } = context;
    const find = (role: Role) =>
      presented === undefined
        ? trust.find(header.key, role)
        : trust.findById(presented.delegation.deviceId, role);
    const device = find("controller");
    if (device !== undefined) {
      context.device = device;
      return undefined;
    }
    if (find("target") !== undefined) return failure("role_not_controller");
    const id = presented?.delegation.deviceId ?? claimedDeviceId(context);
    if (id === undefined) return failure("device_unknown", "The id is not a P-256 public key.");
    return trust.isRevoked(id)
      ? failure("device_revoked")
      : failure("device_unknown", `${id} is not in the allow list.`);
  },
};

const entryNotExpired: Step = {
  name: "entry",
  run({ device }, { now }) {
    if (device.expiresAt === undefined || now() < device.expiresAt * 1000) return undefined;
    return failure(
      "entry_expired",
      `The entry of ${device.deviceId} expired at Unix time ${device.expiresAt}.`,
    );
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

const notRevoked: Step = {
  name: "revocation",
  run: ({ device }, { trust }) => (trust.isRevoked(device.deviceId) ? failure("device_revoked") : undefined),
};

const bodyRead: Step = {
  name: "body",
  run(context, settings) {
    if (context.request.hasBody) return readBody(context, settings);
    context.bodyHash = hashOfNothing;
    return undefined;
  },
};

async function readBody(
  context: VerificationContext,
  settings: VerifierSettings,
): Promise<Failure | undefined> {
  if (settings.pendingBodies >= settings.maxPendingBodies) return failure("verifier_busy");
  settings.pendingBodies++;
  try {
    context.bodyHash = await context.request.bodyHash({
      maxBytes: settings.maxBodyBytes,
      timeoutMs: settings.bodyTimeoutSeconds * 1000,
      contentEncodings: settings.contentEncodings,
    });
  } finally {
    settings.pendingBodies--;
  }
  return undefined;
}

const signatureFits: Step = {
  name: "signature",
  run({ request, header, bodyHash, device, presented }) {
    const message = signableRequest(request.method, request.target, header.timestamp, header.nonce, bodyHash);
    const key = presented?.delegation.sessionKey ?? device.publicKey;
    return key.verify(message, header.signature) ? undefined : failure("signature_invalid");
  },
};

const nonceFresh: Step = {
  name: "nonce",
  async run({ request, header, timestamp, device }, { nonces, nonceWindowSeconds, clockSkewSeconds }) {
    if (nonces.acceptsFrom !== undefined && timestamp <= nonces.acceptsFrom) return failure("replay_epoch");
    const nonce = `am:${device.deviceId}:${header.nonce}`;
    if (request.recordedNonce === nonce) return undefined;
    // Twice the skew is how long a timestamp can be acceptable; 1 s for rounding, 10 s for instances whose clocks differ.
    const windowSeconds = Math.max(nonceWindowSeconds, 2 * clockSkewSeconds + 11);
    if (!(await recorded(nonces, nonce, windowSeconds))) return failure("replay_detected");
    request.recordedNonce = nonce;
    return undefined;
  },
};

/** A store that fails in its own words is a store that cannot be asked. */
async function recorded(nonces: NonceStore, nonce: string, windowSeconds: number): Promise<boolean> {
  try {
    return await nonces.checkAndRecord(nonce, windowSeconds);
  } catch (cause) {
    if (cause instanceof AmeshError) throw cause;
    // Not its message, which may hold an address with a password in it.
    const kind = cause instanceof Error ? ((cause as { code?: unknown }).code ?? cause.name) : typeof cause;
    throw new AmeshError(
      "replay_store_unavailable",
      `The nonce store failed: ${quoteForeign(String(kind))}.`,
      { cause },
    );
  }
}

const scopeSuffices: Step = {
  name: "scope",
  run({ device }, { scopeSuffices }) {
    if (scopeSuffices === undefined || scopeSuffices(device.scopes)) return undefined;
    return failure("scope_missing", `${device.deviceId} was not granted what this route requires.`);
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

function claimedDeviceId(context: VerificationContext): string | undefined {
  try {
    return PublicKey.fromBase64(context.header.key).deviceId;
  } catch {
    return undefined;
  }
}
