/** One signed request against a server under test, and what came of it. */
import { createHash } from "node:crypto";
import { signHttpRequest, signRequest } from "@authmesh/core";
import type { ClientIdentity } from "@authmesh/sdk";
import { MemoryTrust, makeIdentity } from "../fixtures/pair.js";
import type { Transport } from "./wire.js";

/** What is signed, and where what is sent differs from it. Every member has a default: a good `GET /echo`. */
export interface Exchange {
  readonly method?: string;
  /** Path and query. */
  readonly path?: string;
  readonly body?: string | Uint8Array;
  readonly type?: string;
  readonly encoding?: string;
  readonly by?: ClientIdentity;
  /** Seconds from now at which the request was signed. */
  readonly at?: number;
  /** The host signed for. */
  readonly host?: string;
  readonly sent?: {
    readonly method?: string;
    readonly target?: string;
    readonly hosts?: (host: string) => readonly string[];
    /** Nothing: no header. */
    readonly authorization?: (value: string) => readonly string[];
    readonly headers?: readonly (readonly [string, string])[];
    readonly body?: string | Uint8Array;
    /** Sizes of the pieces that the body is sent in; without, as one. */
    readonly pieceSize?: number;
    /** "length" announces it, "chunks" does not, or another length than it has. */
    readonly framing?: "length" | "chunks" | number;
    readonly ending?: "end" | "stall" | "break";
  };
}

/** What the caller got and what the handler saw. */
export interface Outcome {
  readonly status: number;
  /** Member `error` of the answer. */
  readonly error?: string;
  /** Of a request that was let in: method and SHA-256 of the body, as the handler found them. */
  readonly saw?: { readonly by: string; readonly method: string; readonly body: string };
  /** How often the handler ran. */
  readonly handled: number;
}

/** What the handler of every server under test answers. */
export interface Seen {
  readonly by: string;
  readonly method: string;
  readonly body: string;
}

export const sha256 = (bytes: string | Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

/** A server, its callers, and the way to it. */
export class Bench {
  readonly caller = makeIdentity();
  readonly stranger = makeIdentity();
  readonly trust = new MemoryTrust().trust(this.caller, { scopes: { orders: "r" } });
  handled = 0;
  host = "";
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The answer of a handler, which is what the server under test says when it lets a request in. */
  readonly echo = (by: string, method: string | undefined, body: Uint8Array): string => {
    this.handled++;
    return JSON.stringify({ by, method: method ?? "", body: sha256(body) } satisfies Seen);
  };

  /** The request as it is signed. */
  outgoing({ method = "GET", path = "/echo", body, type, encoding, host = this.host }: Exchange) {
    return {
      method,
      url: new URL(path, `http://${host}`),
      body,
      contentType: type,
      contentEncoding: encoding,
    };
  }

  async authorization(exchange: Exchange): Promise<string> {
    const { by = this.caller, at = 0 } = exchange;
    const now = () => Date.now() + at * 1000;
    return signRequest(this.outgoing(exchange), { key: by.publicKey.base64, sign: by.sign, now });
  }

  /** The headers of an HTTP message signature by the caller's device. */
  async signature(exchange: Exchange): Promise<readonly (readonly [string, string])[]> {
    const { sign, publicKey } = this.caller;
    const headers = await signHttpRequest(this.outgoing(exchange), { deviceId: publicKey.deviceId, sign });
    return Object.entries(headers);
  }

  async send(exchange: Exchange): Promise<Outcome> {
    return this.sendAs(exchange, await this.authorization(exchange));
  }

  /** Sends it with a proof that was made before. */
  sendAs(exchange: Exchange, proof: string): Promise<Outcome> {
    const authorization = exchange.sent?.authorization?.(proof) ?? [proof];
    return this.sendWith(
      exchange,
      authorization.map((value) => ["Authorization", value]),
    );
  }

  /** Sends it with these headers beside those of its body. */
  async sendWith(
    { method = "GET", path = "/echo", body, type, encoding, sent = {} }: Exchange,
    headers: readonly (readonly [string, string])[],
  ): Promise<Outcome> {
    const before = this.handled;
    const bytes = sent.body ?? body;
    const { status, body: answer } = await this.#transport(this.host, {
      method: sent.method ?? method,
      target: sent.target ?? path,
      hosts: sent.hosts?.(this.host) ?? [this.host],
      headers: [
        ...headers,
        ...(type === undefined ? [] : [["Content-Type", type] as const]),
        ...(encoding === undefined ? [] : [["Content-Encoding", encoding] as const]),
        ...(sent.headers ?? []),
      ],
      body: bytes === undefined ? undefined : wireBody(Buffer.from(bytes), sent),
    });
    const handled = this.handled - before;
    const content = answer.startsWith("{") ? (JSON.parse(answer) as { error?: string } & Seen) : {};
    if (status !== 200)
      return { status, ...("error" in content ? { error: content.error as string } : {}), handled };
    return { status, ...(answer === "" ? {} : { saw: content as Seen }), handled };
  }
}

function wireBody(
  bytes: Buffer,
  {
    pieceSize = Math.max(1, bytes.length),
    framing = "length",
    ending = "end",
  }: NonNullable<Exchange["sent"]>,
) {
  const pieces = Array.from({ length: Math.ceil(bytes.length / pieceSize) }, (_, i) =>
    bytes.subarray(i * pieceSize, (i + 1) * pieceSize),
  );
  const length = { length: bytes.length, chunks: undefined }[framing as "length"];
  return { pieces, length: typeof framing === "number" ? framing : length, ending };
}
