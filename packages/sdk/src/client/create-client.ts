import { AmeshError, checkAudience, normalizeHost, quoteForeign } from "@authmesh/core";
import { systemClocks } from "@authmesh/oath/timing";
import { openThisMachine } from "../bootstrap/this-machine.js";
import { refuseUnknownOptions } from "../known-options.js";
import { consoleLogger, harmless, type Logger } from "../logger.js";
import { headerValue, prepareRequest, redirected, refuseOwnHeaders } from "./prepared-request.js";
import { redirectOf } from "./redirect.js";
import { type ClientIdentity, closedClient, type SignerSource, signDirectly } from "./request-signer.js";
import { type Proving, type Scheme, schemes } from "./schemes.js";
import { SessionSigner } from "./session-signer.js";
import { type ClientTokenOptions, checkTokenOptions } from "./token-options.js";
import { tokenProving } from "./token-proving.js";
import { unlessAborted } from "./unless-aborted.js";

export interface ClientOptions {
  /**
   * Folder of the identity. Default: AUTH_MESH_DIR, else ~/.amesh. Where it has none, the token in
   * AMESH_BOOTSTRAP_TOKEN makes one.
   */
  readonly dir?: string;
  /** The identity itself, in place of a folder. */
  readonly identity?: ClientIdentity;
  /**
   * How requests are proven: by the header of docs/protocol.md, section 2, or by HTTP Message Signatures (RFC 9421) as
   * in section 3. A verifier of ours takes both. Default "authmesh".
   */
  readonly scheme?: Scheme;
  /**
   * Prove requests by tokens (docs/protocol.md, section 8), which this client obtains from an authority by its own key.
   * Default: by that key alone. Tokens with neither `proof` nor `bind` go over https alone, or to loopback, and to the
   * hosts of `audience`; without an audience to the origin alone that was called first.
   */
  readonly token?: ClientTokenOptions;
  /**
   * Whether the identity's key signs a delegation every few minutes, and a key in memory the requests
   * (docs/protocol.md, section 4). Default: yes for an identity that a folder, `openIdentity` or `openKey`
   * gave, unless its key store is encrypted-file, which signs as fast itself; no for any other.
   */
  readonly session?: boolean;
  /**
   * The only hosts at which sessions are to be good, and to which requests are sent: "api.example.com",
   * "localhost:3000"; a string may name several, with commas between them. A server then needs an audience that has
   * one of them. Default: sessions are good wherever the device is known, and requests go anywhere.
   */
  readonly audience?: string | readonly string[];
  /** Told what came of a bootstrap token, and when a session cannot be renewed, before the present one ends. Default: to standard error. */
  readonly logger?: Logger;
  /** Sends the signed request: called with a URL string and an init whose headers are a plain object. */
  readonly fetch?: (url: string, init: SignedInit) => Promise<Response>;
  /** How much of a streamed body is buffered for the signature, in bytes. Default 8 MiB. */
  readonly maxBodyBytes?: number;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

export interface SignedInit extends Omit<RequestInit, "headers" | "body" | "method" | "redirect"> {
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: Uint8Array<ArrayBuffer> | string;
  readonly redirect: "manual";
}

export interface Client {
  /**
   * `fetch` that signs: takes what the global one takes, answers what it answers. A signal ends the wait for the key
   * store too.
   */
  readonly fetch: typeof globalThis.fetch;
  /**
   * The headers that make such a request good, once, for what sends it by other means than fetch: a WebSocket's
   * handshake, a GET by default, whose URL may begin with `ws`, or a body that is sent as it is given here.
   */
  headers(
    url: string | URL,
    init?: Pick<RequestInit, "method" | "signal" | "body" | "headers">,
  ): Promise<Record<string, string>>;
  /** Lets go of the key. A fetch that is called afterwards is refused. */
  close(): Promise<void>;
}

const mostRedirects = 20;

/**
 * A client that signs every request with this machine's key (docs/protocol.md, sections 2 and 3), or with session
 * keys that it delegates to.
 *
 * Bodies are buffered, since a signature covers all of them. Redirects within one origin are signed anew and
 * followed; to another origin they are refused.
 *
 * @example
 * const client = createClient();
 * const response = await client.fetch("https://api.example.com/orders", { method: "POST", body: "{}" });
 *
 * @throws AmeshError from `fetch`: `identity_not_found` and what else keeps the key from being opened,
 *   `malformed_target`, `body_too_large_to_sign`, `redirect_refused`; `host_mismatch` for a host that is not in
 *   `audience`, and for one to which a token without `proof` and `bind` does not go, before anything is sent; `authority_unreachable` and `token_refused`, where it calls with tokens
 * @throws TypeError for an unknown option or scheme, a `token` that makes no sense, a `session` that is neither true nor false, and an audience that
 *   is not made of hosts
 */
export function createClient(options: ClientOptions = {}): Client {
  refuseUnknownOptions(options, optionNames);
  const { session, maxBodyBytes = 8 * 1024 * 1024, scheme = "authmesh" } = options;
  if (session !== undefined && typeof session !== "boolean")
    throw new TypeError("session must be true or false.");
  if (!Object.hasOwn(schemes, scheme))
    throw new TypeError(`scheme: ${JSON.stringify(scheme)} is none of ${Object.keys(schemes).join(", ")}.`);
  const logger = harmless(options.logger ?? consoleLogger);
  const transport = options.fetch ?? globalThis.fetch;
  const audience = options.audience === undefined ? undefined : checkAudience(options.audience);
  const token = options.token === undefined ? undefined : checkTokenOptions(options.token);
  const authority = token === undefined ? [] : [new URL(token.authority).host];
  let opened: Promise<SignerSource> | undefined;
  let closed = false;

  const open = async (): Promise<SignerSource> => {
    const identity: ClientIdentity = options.identity ?? (await openThisMachine(options.dir, logger));
    if (!(session ?? gainsBySessions(identity))) return signDirectly(identity);
    return new SessionSigner({
      identity,
      audience: audience === undefined ? undefined : [...audience, ...authority],
      logger,
      now: options.now,
    });
  };

  const signers = (): Promise<SignerSource> => {
    if (closed) throw closedClient();
    opened ??= open();
    opened.catch(() => {
      opened = undefined; // what mends it may come while the program runs
    });
    return opened;
  };

  const provenFetch = async (
    input: string | URL | Request,
    init: RequestInit | undefined,
    { headers: ownHeaders, prove, isWornOut }: Proving,
    send: NonNullable<ClientOptions["fetch"]>,
  ): Promise<Response> => {
    if (closed) throw closedClient();
    let request = await prepareRequest(input, init, maxBodyBytes);
    refuseOwnHeaders(request, ownHeaders);
    const { signal } = request.rest;
    let mayTryAgain = true;
    const source = await unlessAborted(signers(), signal); // refuses who was closed while the body came
    for (let hop = 0; ; hop++) {
      const { url, method, body, headers } = request;
      const pending = source.current();
      const signer = pending instanceof Promise ? await unlessAborted(pending, signal) : pending;
      const proving = prove(
        {
          url,
          method,
          body: body?.content,
          contentType: headerValue(headers, "content-type"),
          contentEncoding: headerValue(headers, "content-encoding"),
        },
        options.now === undefined ? signer : { ...signer, now: options.now },
      );
      const proof = await unlessAborted(proving, signal);
      const response = await send(url.href, {
        ...request.rest,
        method,
        headers: { ...headers, ...proof },
        ...(body === undefined ? {} : { body: body.content }),
        redirect: "manual",
      });
      if (isWornOut?.(response, proof) && mayTryAgain) {
        mayTryAgain = false;
        await response.body?.cancel();
        continue;
      }
      if (request.redirect === "manual") return response;
      const next = redirectOf(response, url, method);
      if (next === undefined) return response;
      if (request.redirect === "error")
        throw new TypeError("The server redirects, and redirect is set to error.");
      if (hop === mostRedirects)
        throw new AmeshError("redirect_refused", `More than ${mostRedirects} redirects.`);
      await response.body?.cancel();
      request = redirected(request, next);
    }
  };

  const proving =
    token === undefined
      ? schemes[scheme]
      : tokenProving(token, {
          ...systemClocks,
          ...(options.now === undefined ? {} : { now: options.now }),
          logger,
          hostsAreNamed: audience !== undefined,
          send: (url, init) => provenFetch(url, init, schemes[scheme], transport),
        });

  const signedFetch = async (
    input: string | URL | Request,
    init: RequestInit | undefined,
    send: NonNullable<ClientOptions["fetch"]> = transport,
  ): Promise<Response> => {
    // Redirects stay within one origin.
    if (audience !== undefined)
      refuseOtherHosts(new URL(input instanceof Request ? input.url : input), audience);
    return provenFetch(input, init, proving, send);
  };

  return {
    fetch: (input, init) => signedFetch(input, init),
    async headers(url, init) {
      let headers: Record<string, string> = {};
      await signedFetch(url, { ...init, redirect: "manual" }, async (_, signed) => {
        headers = signed.headers;
        return new Response();
      });
      return headers;
    },
    async close() {
      closed = true;
      const source = await opened?.catch(() => undefined);
      source?.close();
      opened = undefined;
    },
  };
}

/** Every option there is. */
const optionNames: Readonly<Record<keyof ClientOptions, true>> = {
  audience: true,
  dir: true,
  fetch: true,
  identity: true,
  logger: true,
  maxBodyBytes: true,
  now: true,
  scheme: true,
  session: true,
  token: true,
};

/** A server that is not meant must not even see the request. @throws AmeshError `host_mismatch` */
function refuseOtherHosts({ host, protocol }: URL, audience: readonly string[]): void {
  const scheme = protocol === "https:" ? "https" : "http";
  if (audience.includes(normalizeHost(host, scheme) ?? "")) return;
  throw new AmeshError(
    "host_mismatch",
    `This client's audience is ${audience.join(", ")}, and ${quoteForeign(host)} is not in it; nothing was sent.`,
    { fix: "Call a host of the audience, or name this one in createClient({ audience }) too." },
  );
}

/** A key file is decrypted once and then signs in memory too. */
const gainsBySessions = ({ keyStore }: ClientIdentity): boolean =>
  keyStore !== undefined && keyStore.info.name !== "encrypted-file";
