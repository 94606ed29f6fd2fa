import { fromBase64Url, toBase64Url } from "../encoding.js";
import { AmeshError, type Failure, failure } from "../errors.js";
import { readHttpSignature } from "../http-signature/profile.js";
import { PublicKey } from "../public-key.js";
import type { IncomingRequest } from "../request.js";
import { type RequestSettings, type RequestStep, VerificationContext } from "./context.js";
import {
  configuredHostKnown,
  coverageWhole,
  digestFits,
  lifetimeFits,
  signatureFits,
} from "./http-signature-steps.js";
import { PrefixedRequest } from "./prefixed-request.js";
import { checkRequestOptions, type RequestOptions } from "./request-options.js";
import { runSteps } from "./run-steps.js";
import { awaitBody, bodyReadsOneWay, hashOfNothing, targetReadsOneWay } from "./steps.js";

/** A request as its caller made it, each part in the one way it can be read. */
export interface RequestParts {
  readonly method: string;
  readonly target: string;
  /** The hosts it may have been made for, each as `normalizeHost` writes it. */
  readonly hosts: readonly string[];
  /** Content-Type as sent, empty where there is none. */
  readonly contentType: string;
  /** Lower-case hex SHA-256 of the body. */
  readonly bodyHash: string;
}

/** That a request was signed with a key, which goes by itself (docs/protocol.md, section 8.3). */
export interface KeyProof {
  readonly key: PublicKey;
  readonly nonce: string;
  /** Unix seconds. */
  readonly created: number;
  readonly expires: number;
}

/** Reads requests for proofs that are not a device's. What it refuses, it throws as AmeshErrors of the catalogue. */
export class RequestReader {
  readonly #settings: RequestSettings;

  /** @throws TypeError for options that make no sense */
  constructor(options: RequestOptions) {
    this.#settings = checkRequestOptions(options);
  }

  /** The request as its caller made it, before a proxy took the prefix off its path. */
  whole(request: IncomingRequest): IncomingRequest {
    const { pathPrefix } = this.#settings;
    return pathPrefix === "" ? request : new PrefixedRequest(request, pathPrefix);
  }

  /** Whether router and verifier see one and the same target. @throws AmeshError `malformed_target`, `malformed_header` */
  async checkTarget(request: IncomingRequest): Promise<void> {
    await this.#run([targetReadsOneWay], request);
  }

  /**
   * @throws AmeshError as `checkTarget`, `payload_too_large`, `unsupported_content_encoding`, `verifier_busy`,
   *   `host_mismatch` where no host is known, and what `bodyHash` throws
   */
  async parts(request: IncomingRequest): Promise<RequestParts> {
    const context = await this.#run(
      [targetReadsOneWay, bodyReadsOneWay, configuredHostKnown, bodyHashed],
      request,
    );
    const { hosts, bodyHash } = context;
    const [contentType = ""] = request.headers("content-type");
    return {
      method: request.method,
      target: request.target,
      hosts: hosts.acceptable,
      contentType: contentType.trim(),
      bodyHash: (bodyHash ?? hashOfNothing).hex,
    };
  }

  /**
   * The one HTTP signature with our tag, found right: by the key it names, over all that section 3 asks for and the
   * Authorization header. Its nonce is not recorded.
   *
   * @param known the key that is likely to have signed, imported already
   * @throws AmeshError as `parts`, `ambiguous_proof`, `coverage_incomplete`, `clock_skew`, `signature_invalid`
   */
  async keyProof(request: IncomingRequest, known?: PublicKey): Promise<KeyProof> {
    const context = await this.#run(keyProofSteps, request, known);
    const { nonce, created, expires } = context.httpSignature;
    return { key: context.signingKey, nonce, created, expires };
  }

  async #run(
    steps: readonly RequestStep[],
    request: IncomingRequest,
    known?: PublicKey,
  ): Promise<VerificationContext> {
    const context = new VerificationContext(request);
    context.holder = known;
    const refusal = await runSteps(steps, context, this.#settings);
    if (refusal !== undefined) throw new AmeshError(refusal.failure);
    return context;
  }
}

const bodyHashed: RequestStep = {
  name: "body",
  run(context, settings): Failure | undefined | Promise<undefined> {
    if (context.request.headers("content-type").length > 1)
      return failure("malformed_header", "There is more than one content-type header.");
    if (!context.request.hasBody) return undefined;
    return awaitBody(context, settings, "sha256").then((hex) => {
      context.bodyHash = { algorithm: "sha256", hex };
      return undefined;
    });
  },
};

const keyRead: RequestStep = {
  name: "header",
  run(context) {
    context.httpSignature = readHttpSignature(context.request, "key");
    const { keyid } = context.httpSignature;
    if (context.holder === undefined || toBase64Url(context.holder.bytes) !== keyid)
      context.holder = PublicKey.fromBytes(fromBase64Url(keyid) ?? new Uint8Array());
    context.alsoCovered = ["authorization"];
    return undefined;
  },
};

/** In the order of section 3; what asks of devices is left out. */
const keyProofSteps: readonly RequestStep[] = [
  keyRead,
  targetReadsOneWay,
  bodyReadsOneWay,
  coverageWhole,
  lifetimeFits,
  configuredHostKnown,
  digestFits,
  signatureFits,
  lifetimeFits,
];
