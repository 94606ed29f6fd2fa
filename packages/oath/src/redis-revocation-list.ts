import {
  AmeshError,
  CircuitBreaker,
  outageReason,
  parseStrictJson,
  type RedisCommands,
} from "@authmesh/core";
import { entryKeys, readScript } from "./revocation/redis-scripts.js";
import { revocationKeysOf } from "./revocation/revocation-keys.js";
import { readChange } from "./revocation/revocation-page.js";
import type { RevocableToken, Revocation, RevocationKey, RevocationSource } from "./revocation.js";
import { type Clocks, systemClocks } from "./timing/age.js";
import { within } from "./timing/within.js";

export interface RedisRevocationListOptions extends Partial<Clocks> {
  /** Whose list it is, as it stands in `iss`. */
  readonly issuer: string;
  /** What keys begin with. Default "ar:". */
  readonly prefix?: string;
  /** Milliseconds a question may take. Default 250. */
  readonly timeoutMs?: number;
  /** Seconds after which a list that nobody confirmed is too old. Default 3600. */
  readonly maxStaleSeconds?: number;
  /** Failures in a row after which Redis is left alone for a while. Default 5. */
  readonly failureThreshold?: number;
  /** Milliseconds for which it is left alone, before one question tries again. Default 1000. */
  readonly pauseMs?: number;
  /** Questions that may wait for Redis; more are refused at once. Default 10,000. */
  readonly maxWaiting?: number;
}

/**
 * An issuer's list as it keeps it in Redis (docs/protocol.md, section 8.7). A question is one round trip, however long the list is. A
 * Redis that is away, was emptied, restarted or replaced, or that nobody brings up to date, is no empty list: `find`
 * raises AmeshError `revocation_unavailable`. Of tokens of other issuers it knows nothing.
 *
 * @example
 * new RedisRevocationList(redisCommands(redis), { issuer: "https://issuer.example" });
 */
export class RedisRevocationList implements RevocationSource {
  readonly #commands: RedisCommands;
  readonly #options: Required<RedisRevocationListOptions>;
  readonly #breaker: CircuitBreaker;
  #waiting = 0;
  #reason = "";

  constructor(commands: RedisCommands, options: RedisRevocationListOptions) {
    this.#commands = commands;
    this.#options = { ...defaults, ...options };
    const { failureThreshold, pauseMs } = this.#options;
    this.#breaker = new CircuitBreaker({ failures: failureThreshold, pauseMs });
  }

  async find(token: RevocableToken): Promise<Revocation | undefined> {
    const { issuer, timeoutMs, monotonic, maxWaiting } = this.#options;
    if (token.iss !== issuer) return undefined;
    if (this.#waiting >= maxWaiting) throw unavailable(`${this.#waiting} questions wait for an answer`);
    const admission = this.#breaker.admit(monotonic());
    if (admission === undefined) throw unavailable(this.#reason);
    let answers: readonly string[];
    try {
      answers = await within(timeoutMs, this.#ask(revocationKeysOf(token)));
    } catch (error) {
      this.#reason = outageReason(error);
      this.#breaker.report(admission, "failed", monotonic());
      throw unavailable(this.#reason); // No cause: the libraries' errors carry commands.
    }
    this.#breaker.report(admission, "succeeded", monotonic());
    return answers.map((each) => this.#read(each)).find((each) => each !== undefined);
  }

  async #ask(keys: readonly RevocationKey[]): Promise<readonly string[]> {
    const { prefix } = this.#options;
    this.#waiting++;
    try {
      return await Promise.all(
        keys.map(async (key) => {
          const { entry, marker } = entryKeys(prefix, key);
          return String(await this.#commands.send(marker, ["EVAL", readScript, "2", marker, entry]));
        }),
      );
    } finally {
      this.#waiting--;
    }
  }

  #read(answer: string): Revocation | undefined {
    const { issuer, now, maxStaleSeconds } = this.#options;
    const [second = "", ...rest] = answer.split(" ");
    const staleSeconds = now() / 1000 - Number(second);
    if (second === "") throw unavailable("it does not hold the whole list");
    if (!(staleSeconds <= maxStaleSeconds)) throw unavailable("nobody brings the list up to date");
    const text = rest.join(" ");
    if (text === "") return undefined;
    const { value = null } = parseStrictJson(text);
    const change = readChange(value, issuer);
    if (change === undefined) throw unavailable("it holds an entry that cannot be read");
    if ("removed" in change) return undefined;
    const { revocation } = change;
    const over = revocation.expiresAt !== undefined && revocation.expiresAt * 1000 <= now();
    return over ? undefined : revocation;
  }
}

const defaults = {
  ...systemClocks,
  prefix: "ar:",
  timeoutMs: 250,
  maxStaleSeconds: 3600,
  failureThreshold: 5,
  pauseMs: 1000,
  maxWaiting: 10_000,
};

const unavailable = (reason: string): AmeshError =>
  new AmeshError(
    "revocation_unavailable",
    `The Redis of revocations cannot be relied on: ${reason.replace(/\.$/, "")}.`,
  );
