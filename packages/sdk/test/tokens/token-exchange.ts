/** One request with a token against a server under test, and what came of it. */
import { randomBytes } from "node:crypto";
import { generateEphemeralKeyPair, jwkOf, PublicKey, signHttpRequest, signMessage } from "@authmesh/core";
import {
  type ClaimsToMint,
  createEd25519Signer,
  type JwkSet,
  mintToken,
  requestHashOf,
  staticKeys,
  type TokenSigner,
  thumbprint,
} from "@authmesh/oath";
import type { VerifyTokenOptions } from "@authmesh/sdk";
import { Bench, type Exchange, type Outcome } from "../adapters/exchange.js";
import type { Transport } from "../adapters/wire.js";
import { silent } from "../fixtures/pair.js";

export const issuer = "https://tokens.example.com";
export const audience = "orders";

/** A token, the request it comes with, and where what is sent differs from it. */
export interface TokenExchange extends Exchange {
  readonly claims?: Partial<ClaimsToMint>;
  readonly issuer?: string;
  readonly signer?: TokenSigner;
  readonly ttlSeconds?: number;
  /** Whether the token is for this request alone. */
  readonly bound?: boolean;
  /** Whose key the token names. */
  readonly holder?: Holder;
  /** Who signs the request. Default: the holder, if there is one. */
  readonly signedBy?: Holder | "nobody";
  /** Whether the signature covers the token. Default true. */
  readonly covers?: boolean;
}

/** A key that a token can name. */
export class Holder {
  readonly #keys = generateEphemeralKeyPair();
  readonly publicKey = PublicKey.fromBytes(this.#keys.publicKey);
  readonly sign = async (message: Uint8Array): Promise<Uint8Array> =>
    signMessage(this.#keys.privateKey, message as Parameters<typeof signMessage>[1]);
  readonly jkt = thumbprint(jwkOf(this.publicKey));
}

export const newSigner = (): TokenSigner => createEd25519Signer(randomBytes(32));

/** A server that verifies tokens, their issuer, and the way to it. */
export class TokenBench {
  readonly signer = newSigner();
  readonly holder = new Holder();
  readonly #bench: Bench;

  constructor(transport: Transport) {
    this.#bench = new Bench(transport);
  }

  get host(): string {
    return this.#bench.host;
  }

  set host(host: string) {
    this.#bench.host = host;
  }

  /** The answer of a handler. */
  get echo(): Bench["echo"] {
    return this.#bench.echo;
  }

  get jwks(): JwkSet {
    return { keys: [this.signer.publicJwk] };
  }

  /** What every verifier under test is told. */
  get options(): VerifyTokenOptions {
    return {
      audience,
      trustedIssuers: [issuer],
      keys: staticKeys({ [issuer]: this.jwks }),
      policy: "none",
      logger: silent,
    };
  }

  async token(exchange: TokenExchange): Promise<string> {
    const { claims, signer = this.signer, ttlSeconds, bound, holder, at = 0 } = exchange;
    const { token } = await mintToken(
      {
        sub: "svc://billing/worker",
        aud: audience,
        act: "orders.write",
        ...(bound ? { rqh: requestHashOf(this.#bench.outgoing(exchange)) } : {}),
        ...(holder === undefined ? {} : { cnf: { jkt: holder.jkt } }),
        ...claims,
      },
      { issuer: exchange.issuer ?? issuer, signer, ttlSeconds, now: () => Date.now() + at * 1000 },
    );
    return token;
  }

  async headers(exchange: TokenExchange, token: string): Promise<readonly (readonly [string, string])[]> {
    const { holder, signedBy = holder ?? "nobody", covers = true, sent } = exchange;
    const authorization = `OathMesh ${token}`;
    const values = sent?.authorization?.(authorization) ?? [authorization];
    const signature: Readonly<Record<string, string>> =
      signedBy === "nobody"
        ? {}
        : {
            ...(await signHttpRequest(this.#bench.outgoing(exchange), {
              publicKey: signedBy.publicKey,
              sign: signedBy.sign,
              ...(covers ? { authorization } : {}),
            })),
          };
    return [...values.map((value) => ["Authorization", value] as const), ...Object.entries(signature)];
  }

  async send(exchange: TokenExchange): Promise<Outcome> {
    return this.sendToken(exchange, await this.token(exchange));
  }

  /** Sends it with a token that was minted before, signed anew. */
  async sendToken(exchange: TokenExchange, token: string): Promise<Outcome> {
    return this.sendWith(exchange, await this.headers(exchange, token));
  }

  sendWith(exchange: TokenExchange, headers: readonly (readonly [string, string])[]): Promise<Outcome> {
    return this.#bench.sendWith(exchange, headers);
  }
}
