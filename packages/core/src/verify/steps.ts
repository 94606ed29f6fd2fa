import { crypto } from "#crypto";
import { AmeshError, type Failure, failure, quoteForeign } from "../errors.js";
import { isoTime } from "../iso-time.js";
import { PublicKey } from "../public-key.js";
import type { BodyHashAlgorithm } from "../request.js";
import { targetProblem } from "../request-target.js";
import type { Role } from "../signable.js";
import type { RequestSettings, RequestStep, Step, VerificationContext, VerifierSettings } from "./context.js";
import { type SpentNonce, spendNonce } from "./spend-nonce.js";

/** The steps that every kind of proof goes through. */

const printable = /^[\t\x20-\x7e]*$/;
const overrideHeaders = [
  "x-http-method-override",
  "x-http-method",
  "x-method-override",
  "x-original-url",
  "x-rewrite-url",
];

export const targetReadsOneWay: RequestStep = {
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

export const bodyReadsOneWay: RequestStep = {
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

export const allowListIntact: Step = {
  name: "allow list",
  run: (_, { trust }) => trust.check(),
};

export const deviceIsController: Step = {
  name: "device",
  run(context, { trust }) {
    const { claimedKey = "", claimedId } = context;
    const find = (role: Role) =>
      claimedId === undefined ? trust.find(claimedKey, role) : trust.findById(claimedId, role);
    const device = find("controller");
    if (device !== undefined) {
      context.device = device;
      return undefined;
    }
    if (find("target") !== undefined) return failure("role_not_controller");
    const id = claimedId ?? deviceIdOf(claimedKey);
    if (id === undefined) return failure("device_unknown", "The id is not a P-256 public key.");
    return trust.isRevoked(id)
      ? failure("device_revoked")
      : failure("device_unknown", `${id} is not in the allow list.`);
  },
};

export const entryNotExpired: Step = {
  name: "entry",
  run({ device }, { now }) {
    if (device.ended)
      return failure("enrollment_ended", `${device.deviceId} left the account that this server follows.`);
    if (device.expiresAt === undefined || now() < device.expiresAt * 1000) return undefined;
    return failure(
      "entry_expired",
      `The entry of ${device.deviceId} expired at ${isoTime(device.expiresAt)}.`,
    );
  },
};

export const notRevoked: Step = {
  name: "revocation",
  run: ({ device }, { trust }) => (trust.isRevoked(device.deviceId) ? failure("device_revoked") : undefined),
};

/**
 * The body's hash, as it arrives within the limits.
 *
 * @throws AmeshError `verifier_busy`, and what `bodyHash` throws
 */
export const hashOfNothing = { algorithm: "sha256", hex: crypto.sha256Hex("") } as const;

export async function awaitBody(
  { request }: VerificationContext,
  settings: RequestSettings,
  algorithm: BodyHashAlgorithm,
): Promise<string> {
  if (settings.pendingBodies >= settings.maxPendingBodies) throw new AmeshError("verifier_busy");
  settings.pendingBodies++;
  try {
    const limits = {
      maxBytes: settings.maxBodyBytes,
      timeoutMs: settings.bodyTimeoutSeconds * 1000,
      contentEncodings: settings.contentEncodings,
    };
    return await request.bodyHash(limits, algorithm);
  } finally {
    settings.pendingBodies--;
  }
}

/** Records a nonce, or says why the request may be a replay. */
export async function spend(
  context: VerificationContext,
  settings: VerifierSettings,
  nonce: SpentNonce,
): Promise<Failure | undefined> {
  const refusal = await spendNonce(context.request, nonce, settings);
  context.proven = refusal === undefined;
  return refusal;
}

export const scopeSuffices: Step = {
  name: "scope",
  run({ device }, { scopeSuffices }) {
    if (scopeSuffices === undefined || scopeSuffices(device.scopes)) return undefined;
    return failure("scope_missing", `${device.deviceId} was not granted what this route requires.`);
  },
};

function deviceIdOf(key: string): string | undefined {
  try {
    return PublicKey.fromBase64(key).deviceId;
  } catch {
    return undefined;
  }
}
