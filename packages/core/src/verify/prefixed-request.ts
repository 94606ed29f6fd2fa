import type { BodyHashAlgorithm, BodyLimits, IncomingRequest } from "../request.js";
import { targetProblem } from "../request-target.js";

/** A request as its caller signed it, where a proxy took a prefix off the path on the way. */
export class PrefixedRequest implements IncomingRequest {
  readonly target: string;
  readonly #request: IncomingRequest;

  constructor(request: IncomingRequest, prefix: string) {
    this.#request = request;
    const { target } = request;
    // The prefix must not turn what is refused for how it begins, "//host" or "http://host", into a path.
    this.target = /^\/(?!\/)/.test(target) ? prefix + target : target;
  }

  get method(): string {
    return this.#request.method;
  }

  get hasBody(): boolean {
    return this.#request.hasBody;
  }

  get recordedNonce(): string | undefined {
    return this.#request.recordedNonce;
  }

  set recordedNonce(nonce: string) {
    this.#request.recordedNonce = nonce;
  }

  headers(name: string): readonly string[] {
    return this.#request.headers(name);
  }

  bodyHash(limits: BodyLimits, algorithm?: BodyHashAlgorithm): Promise<string> {
    return this.#request.bodyHash(limits, algorithm);
  }
}

/** @throws TypeError for what is not a path without a slash at its end */
export function checkPathPrefix(prefix: string): string {
  if (prefix === "") return prefix;
  const isPath = typeof prefix === "string" && !/[?]|\/$/.test(prefix) && targetProblem(prefix) === undefined;
  if (isPath) return prefix;
  throw new TypeError(
    `pathPrefix: ${JSON.stringify(prefix)} is not a path such as "/api", without a slash at its end.`,
  );
}
