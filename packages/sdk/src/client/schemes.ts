import { type OutgoingRequest, signHttpRequest, signRequest } from "@authmesh/core";
import type { ClientSigner } from "./request-signer.js";

/** How a client proves its requests. */
export type Scheme = "authmesh" | "http-signature";

export interface Proving {
  /** Headers that the client writes, and nobody else may; as they are spelt on the wire. */
  readonly headers: readonly string[];
  /** Their values for one request. `now` is milliseconds since the epoch. */
  readonly prove: (
    request: OutgoingRequest,
    signer: ClientSigner & { readonly now?: () => number },
  ) => Promise<ProofHeaders>;
  /** Whether a service did not take these headers for their age alone, so that new ones are worth a try. */
  readonly isWornOut?: (response: Response, headers: ProofHeaders) => boolean;
}

export type ProofHeaders = Readonly<Record<string, string>>;

const delegationOf = ({ delegation }: ClientSigner) =>
  delegation === undefined ? {} : { "AuthMesh-Delegation": delegation };

export const schemes: Readonly<Record<Scheme, Proving>> = {
  authmesh: {
    headers: ["Authorization", "AuthMesh-Delegation"],
    prove: async (request, signer) => ({
      ...delegationOf(signer),
      Authorization: await signRequest(request, signer),
    }),
  },
  "http-signature": {
    headers: ["Signature-Input", "Signature", "Content-Digest", "AuthMesh-Delegation"],
    prove: async (request, signer) => ({
      ...delegationOf(signer),
      ...(await signHttpRequest(request, signer)),
    }),
  },
};
