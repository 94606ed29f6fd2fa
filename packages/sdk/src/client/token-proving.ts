import { jwkOf, type OutgoingRequest, PublicKey, signHttpRequest } from "@authmesh/core";
import { requestHashOf, thumbprint } from "@authmesh/oath/caller";
import type { Clocks } from "@authmesh/oath/timing";
import type { Logger } from "../logger.js";
import { BearerOrigin } from "./bearer-origin.js";
import { KeptToken } from "./kept-token.js";
import type { ClientSigner } from "./request-signer.js";
import { requestToken, type SignedSend, type TokenBinding } from "./request-token.js";
import type { Proving } from "./schemes.js";
import type { ClientTokenOptions } from "./token-options.js";

interface Around extends Clocks {
  /** Sends a request to the authority, signed by this machine's key. */
  readonly send: SignedSend;
  readonly logger: Logger;
  /** Whether the client may call hosts alone that it was told. */
  readonly hostsAreNamed: boolean;
}

/**
 * Proves requests by tokens of an authority (docs/protocol.md, section 8): a new one for each, or one that serves until
 * it expires.
 */
export function tokenProving(
  options: ClientTokenOptions,
  { send, logger, hostsAreNamed, ...clocks }: Around,
): Proving {
  const { bind, proof = false, tokenUse = "once" } = options;
  const serves = bind === undefined && (proof || tokenUse === "until-expiry");
  const bearer = bind === undefined && !proof ? new BearerOrigin(hostsAreNamed) : undefined;
  const obtain = (binding: TokenBinding) => requestToken(options, binding, send);
  /** By the key that the token names. A session that follows another one has a key of its own. */
  let kept: { readonly jkt: string | undefined; readonly token: KeptToken } | undefined;

  const keptFor = (jkt: string | undefined): KeptToken => {
    if (kept === undefined || kept.jkt !== jkt) {
      const token = new KeptToken({ obtain: () => obtain(bindingTo(jkt)), logger, ...clocks });
      kept = { jkt, token };
    }
    return kept.token;
  };
  const tokenFor = async (request: OutgoingRequest, jkt: string | undefined): Promise<string> => {
    if (serves) return keptFor(jkt).current();
    const rqh = bind === undefined ? {} : { rqh: requestHashOf(request) };
    return (await obtain({ ...rqh, ...bindingTo(jkt) })).token;
  };

  return {
    headers: proof ? ["Authorization", "Signature-Input", "Signature", "Content-Digest"] : ["Authorization"],
    async prove(request, signer) {
      bearer?.admit(request.url);
      const jkt = proof ? thumbprint(jwkOf(PublicKey.fromBase64(signer.key))) : undefined;
      const authorization = `OathMesh ${await tokenFor(request, jkt)}`;
      const signature = proof ? await signFor(authorization, request, signer) : {};
      return { Authorization: authorization, ...signature };
    },
    isWornOut(response, { Authorization: authorization = "" }) {
      if (response.status !== 401) return false;
      const [, error] =
        /^OathMesh error="([\w:]+)"/.exec(response.headers.get("www-authenticate") ?? "") ?? [];
      if (error !== undefined) kept?.token.forget(authorization.slice("OathMesh ".length));
      return error === "token_expired";
    },
  };
}

const bindingTo = (jkt: string | undefined): TokenBinding => (jkt === undefined ? {} : { cnf: { jkt } });

/** The token names the key, so the signature does too, and a session's key needs no delegation. */
const signFor = (
  authorization: string,
  request: OutgoingRequest,
  { key, sign, now }: ClientSigner & { readonly now?: () => number },
) =>
  signHttpRequest(request, {
    publicKey: PublicKey.fromBase64(key),
    authorization,
    sign,
    ...(now === undefined ? {} : { now }),
  });
