import { type OutgoingRequest, signHttpRequest, signRequest } from "@authmesh/core";
import type { ClientSigner } from "./request-signer.js";

/** How a client proves its requests. */
export type Scheme = "authmesh" | "http-signature";

interface Proving {
  /** Headers that the client writes, and nobody else may; as they are spelt on the wire. */
  readonly headers: readonly string[];
  /** Their values for one request, but the delegation's. `now` is milliseconds since the epoch. */
  readonly prove: (
    request: OutgoingRequest,
    signer: ClientSigner & { readonly now?: () => number },
  ) => Promise<Readonly<Record<string, string>>>;
}

export const schemes: Readonly<Record<Scheme, Proving>> = {
  authmesh: {
    headers: ["Authorization", "AuthMesh-Delegation"],
    prove: async (request, signer) => ({ Authorization: await signRequest(request, signer) }),
  },
  "http-signature": {
    headers: ["Signature-Input", "Signature", "Content-Digest", "AuthMesh-Delegation"],
    prove: async (request, signer) => ({ ...(await signHttpRequest(request, signer)) }),
  },
};
