import { createHash } from "node:crypto";
import {
  createVerifier,
  InMemoryNonceStore,
  PublicKey,
  type TrustedDevice,
  type TrustStore,
  type VerifierOptions,
} from "@authmesh/core";
import type { RequestVector } from "./make-vectors.js";

export interface Arriving
  extends Pick<RequestVector, "now" | "audience" | "method" | "target">,
    Partial<Pick<RequestVector, "host" | "authorization" | "contentType" | "contentEncoding" | "body">> {
  /** Further headers, by lower-case name. */
  readonly headers?: Readonly<Record<string, string>>;
  /** The AuthMesh-Delegation header. */
  readonly delegation?: string;
}

/**
 * What core's verifier, new for each request, says of it: "accepted", or the code of the refusal. It trusts one key,
 * whose nonces must bind unless `bound` is false.
 */
export async function verdictOn(
  request: Arriving,
  { publicKey, bound = true }: { readonly publicKey: string; readonly bound?: boolean },
  options: Partial<VerifierOptions> = {},
): Promise<string> {
  const verify = createVerifier({
    trust: trusting(publicKey, bound),
    nonces: new InMemoryNonceStore(),
    audience: request.audience,
    now: () => request.now * 1000,
    ...options,
  });
  const headers = new Map<string, string | undefined>([
    ["host", request.host],
    ["authorization", request.authorization],
    ["authmesh-delegation", request.delegation],
    ["content-type", request.contentType],
    ["content-encoding", request.contentEncoding],
    ...Object.entries(request.headers ?? {}),
  ]);
  const decision = await verify({
    method: request.method,
    target: request.target,
    headers: (name) => [headers.get(name)].filter((value) => value !== undefined),
    hasBody: request.body !== undefined,
    bodyHash: async (_, algorithm = "sha256") =>
      createHash(algorithm)
        .update(Buffer.from(request.body ?? "", "base64"))
        .digest("hex"),
  });
  return decision.allowed ? "accepted" : decision.failure.code;
}

function trusting(base64: string, bound: boolean): TrustStore {
  const publicKey = PublicKey.fromBase64(base64);
  const device: TrustedDevice = {
    deviceId: publicKey.deviceId,
    publicKey,
    friendlyName: "peer",
    role: "controller",
    status: "active",
    bound,
    scopes: {},
  };
  return {
    audience: [],
    check: () => undefined,
    find: (key, role) => (key === publicKey.base64 && role === device.role ? device : undefined),
    findById: (id, role) => (id === device.deviceId && role === device.role ? device : undefined),
    isRevoked: () => false,
    onChange: () => () => {},
  };
}
