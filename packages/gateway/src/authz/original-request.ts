import {
  AmeshError,
  type BodyHashAlgorithm,
  type BodyLimits,
  type IncomingRequest,
  quoteForeign,
} from "@authmesh/core";
import {
  ambiguous,
  onlyValue,
  type ProxyDialect,
  type Question,
  type ToldBody,
  writtenByProxies,
} from "./proxy-dialects.js";

/** The request that a proxy asks about, as far as it tells of it. */
export interface ToldRequest {
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly body: ToldBody;
}

/**
 * Reads a proxy's question (docs/protocol.md, section 14.8).
 *
 * @param pathPrefix what the proxy put before the target
 * @throws AmeshError `ambiguous_request` where the proxy does not say what it should
 */
export function toldRequest(question: Question, dialect: ProxyDialect, pathPrefix = ""): ToldRequest {
  const { told } = dialect;
  const method = told === undefined ? question.method : onlyValue(question, told.method);
  const target = told === undefined ? question.target : onlyValue(question, told.target);
  const host = onlyValue(question, told?.host ?? "host");
  return { method, target: withoutPrefix(target, pathPrefix), host, body: dialect.body(question, method) };
}

/** The request that a proxy asks about, as the verifier reads it. What is no header of the proxy's is the caller's. */
export class OriginalRequest implements IncomingRequest {
  readonly method: string;
  readonly target: string;
  readonly hasBody: boolean;
  recordedNonce?: string;
  readonly #question: IncomingRequest;
  readonly #told: ToldRequest;
  readonly #toldIn: readonly string[];

  constructor(question: IncomingRequest, told: ToldRequest, dialect: ProxyDialect) {
    this.method = told.method;
    this.target = told.target;
    this.hasBody = told.body.kind !== "none";
    this.#question = question;
    this.#told = told;
    this.#toldIn = Object.values(dialect.told ?? {});
  }

  headers(name: string): readonly string[] {
    const { host, body } = this.#told;
    if (name === "host") return [host];
    if (name === "content-length") return body.length === undefined ? [] : [body.length];
    const ofTheProxy =
      writtenByProxies.has(name) || name.startsWith("x-forwarded-") || this.#toldIn.includes(name);
    return ofTheProxy ? [] : this.#question.headers(name);
  }

  /** @throws AmeshError `body_unseen`, and what reading the question's body throws */
  async bodyHash(limits: BodyLimits, algorithm?: BodyHashAlgorithm): Promise<string> {
    if (this.#told.body.kind !== "shown") throw new AmeshError("body_unseen");
    return this.#question.bodyHash(limits, algorithm);
  }
}

/** @throws AmeshError `ambiguous_request` */
function withoutPrefix(target: string, prefix: string): string {
  if (target.startsWith(prefix)) return target.slice(prefix.length);
  throw ambiguous(
    `The target ${quoteForeign(target)} does not begin with ${prefix}, which --path-prefix names.`,
  );
}
