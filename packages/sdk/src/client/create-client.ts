import { AmeshError, type PublicKey, type Sign, signRequest } from "@authmesh/core";
import { openIdentity } from "@authmesh/keystore";
import { headerValue, prepareRequest, redirected } from "./prepared-request.js";
import { redirectOf } from "./redirect.js";

/** What a client signs with: an opened identity, or anything else that holds a P-256 key. */
export interface ClientIdentity {
  readonly publicKey: PublicKey;
  readonly sign: Sign;
}

export interface ClientOptions {
  /** Folder of the identity. Default: AUTH_MESH_DIR, else ~/.amesh. */
  readonly dir?: string;
  /** The identity itself, in place of a folder. */
  readonly identity?: ClientIdentity;
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
  /** `fetch` that signs: takes what the global one takes, answers what it answers. */
  readonly fetch: typeof globalThis.fetch;
  /** Lets go of the key. A fetch that is called afterwards is refused. */
  close(): Promise<void>;
}

const mostRedirects = 20;

/**
 * A client that signs every request with this machine's key (docs/protocol.md, section 2).
 *
 * Bodies are buffered, since a signature covers all of them. Redirects within one origin are signed anew and
 * followed; to another origin they are refused.
 *
 * @example
 * const client = createClient();
 * const response = await client.fetch("https://api.example.com/orders", { method: "POST", body: "{}" });
 *
 * @throws AmeshError from `fetch`: `identity_not_found` and what else keeps the key from being opened,
 *   `malformed_target`, `body_too_large_to_sign`, `redirect_refused`
 */
export function createClient(options: ClientOptions = {}): Client {
  const { maxBodyBytes = 8 * 1024 * 1024 } = options;
  const send = options.fetch ?? globalThis.fetch;
  let opened: Promise<ClientIdentity> | undefined;
  let closed = false;

  const identity = (): Promise<ClientIdentity> => {
    opened ??= options.identity === undefined ? openFolder(options.dir) : Promise.resolve(options.identity);
    opened.catch(() => {
      opened = undefined; // what mends it may come while the program runs
    });
    return opened;
  };

  const signedFetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    if (closed) throw new TypeError("This amesh client was closed.");
    let request = await prepareRequest(input, init, maxBodyBytes);
    const { publicKey, sign } = await identity();
    for (let hop = 0; ; hop++) {
      const { url, method, body, headers } = request;
      const authorization = await signRequest(
        {
          url,
          method,
          body: body?.content,
          contentType: headerValue(headers, "content-type"),
          contentEncoding: headerValue(headers, "content-encoding"),
        },
        { key: publicKey.base64, sign, ...(options.now === undefined ? {} : { now: options.now }) },
      );
      const response = await send(url.href, {
        ...request.rest,
        method,
        headers: { ...headers, Authorization: authorization },
        ...(body === undefined ? {} : { body: body.content }),
        redirect: "manual",
      });
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

  return {
    fetch: signedFetch,
    async close() {
      closed = true;
      opened = undefined;
    },
  };
}

const openFolder = (dir: string | undefined): Promise<ClientIdentity> =>
  openIdentity(dir === undefined ? {} : { dir });
