import { AmeshError, type ErrorCode, readBody } from "@authmesh/core";
import { type ClientIdentity, createClient, describeNetworkFailure, type Logger } from "@authmesh/sdk";
import { refusalCode, retryAfterSeconds } from "../../request/refusal.js";
import type { ProbeRequest } from "./probe-request.js";

/** What came back. */
export interface Answer {
  readonly status: number;
  /** Absent when the answer is not amesh's: the request was let in, or somebody else answered. */
  readonly refusal?: Refusal;
  /** How far this machine's clock is ahead of the Date header, in seconds. */
  readonly clockAheadSeconds?: number;
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly decision: string;
  /** When to ask again, if the service says so. */
  readonly retryAfterSeconds?: number | undefined;
}

/** How a request is proven. */
export interface Proof {
  /** What the signature is made for, where that is not what is sent. */
  readonly signedAs?: ProbeRequest;
  /** Whether a session key signs. Default false. */
  readonly session?: boolean;
}

/** Milliseconds that one answer may take. */
const patience = 10_000;
const longestAnswer = 1 << 20;
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** What a refusal is called whose answer has no body: one to HEAD. */
const codesByStatus: Readonly<Record<number, ErrorCode>> = {
  400: "missing_header",
  401: "unauthorized",
  403: "scope_missing",
};

/** Sends requests that are signed for what may become of them on the way. */
export class ServiceConnection {
  readonly origin: string;
  readonly #identity: ClientIdentity;
  readonly #now: () => number;

  /** @param origin where requests are sent, whatever they are signed for */
  constructor(origin: string, identity: ClientIdentity, now: () => number = Date.now) {
    this.origin = origin;
    this.#identity = identity;
    this.#now = now;
  }

  /** The same connection with a clock that is so many seconds back. */
  setBack(seconds: number): ServiceConnection {
    return new ServiceConnection(this.origin, this.#identity, () => this.#now() - seconds * 1000);
  }

  /** @throws AmeshError `service_unreachable` */
  unsigned(request: ProbeRequest): Promise<Answer> {
    return this.#reachable(() => this.#send(request, {}));
  }

  /** @throws AmeshError `service_unreachable`; what keeps the key from signing */
  async signed(request: ProbeRequest, { signedAs = request, session = false }: Proof = {}): Promise<Answer> {
    let answer: Answer | undefined;
    const client = createClient({
      identity: this.#identity,
      session,
      logger: silent,
      now: this.#now,
      fetch: async (_, { headers }) => {
        const { Authorization, "AuthMesh-Delegation": delegation } = headers;
        answer = await this.#send(request, {
          ...(Authorization && { Authorization }),
          ...(delegation && { "AuthMesh-Delegation": delegation }),
        });
        return new Response();
      },
    });
    try {
      await this.#reachable(() => client.fetch(signedAs.origin + signedAs.target, initOf(signedAs)));
    } finally {
      await client.close();
    }
    return answer as Answer;
  }

  async #send(request: ProbeRequest, proof: Record<string, string>): Promise<Answer> {
    const { headers, ...init } = initOf(request);
    const response = await fetch(this.origin + request.target, {
      ...init,
      headers: { ...headers, ...proof },
      redirect: "manual",
      signal: AbortSignal.timeout(patience),
    });
    const body = (await readBody(response, longestAnswer)) ?? new Uint8Array();
    const decision = response.headers.get("authmesh-decision");
    const time = Date.parse(response.headers.get("date") ?? "");
    const code = body.length === 0 ? codesByStatus[response.status] : refusalCode(body);
    return {
      status: response.status,
      ...(decision !== null && {
        refusal: {
          code: code ?? "service_error",
          decision,
          retryAfterSeconds: retryAfterSeconds(response.headers),
        },
      }),
      ...(!Number.isNaN(time) && { clockAheadSeconds: Math.floor(Date.now() / 1000) - time / 1000 }),
    };
  }

  async #reachable<T>(exchange: () => Promise<T>): Promise<T> {
    try {
      return await exchange();
    } catch (cause) {
      const reason = describeNetworkFailure(cause);
      if (reason === undefined) throw cause;
      throw new AmeshError("service_unreachable", `${this.origin} cannot be reached: ${reason}.`, { cause });
    }
  }
}

function initOf({ method, body, contentType }: ProbeRequest) {
  const headers: Record<string, string> =
    body === undefined || contentType === undefined ? {} : { "Content-Type": contentType };
  // Bytes, to which fetch adds no Content-Type of its own.
  return { method, headers, ...(body !== undefined && { body: new TextEncoder().encode(body) }) };
}
