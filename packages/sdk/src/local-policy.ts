import { AmeshError, type Failure, failure } from "@authmesh/core";
import type { PolicyDecision, PolicyEngine, PolicyInput, PolicyTrace } from "@authmesh/oath";
import type { OpenPolicy, PolicyEvent } from "@authmesh/oath/node";
import type { Logger } from "./logger.js";

const retryMs = 1000;

/**
 * The policy at a path, opened in the background. Until it is open, and whenever it cannot be, nothing is allowed and
 * the log says why; it is tried again, so that a server recovers once the cause is gone.
 */
export class LocalPolicy implements PolicyEngine {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #onEvent: (event: PolicyEvent) => void;
  #engine: OpenPolicy | undefined;
  #opening: Promise<void> | undefined;
  #failedAt = Number.NEGATIVE_INFINITY;
  #failure: Failure = failure("verifier_not_ready");
  #reported = "";
  #closed = false;

  constructor(path: string, logger: Logger, onEvent: (event: PolicyEvent) => void) {
    this.#path = path;
    this.#logger = logger;
    this.#onEvent = onEvent;
    void this.ready();
  }

  get digest(): string {
    return this.#engine?.digest ?? "";
  }

  /** Resolves, never rejects, when it is known whether there is a policy. */
  async ready(): Promise<void> {
    if (this.#engine !== undefined || performance.now() - this.#failedAt < retryMs) return;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    await this.#opening;
  }

  decide(input: PolicyInput): PolicyDecision {
    return this.#engine?.decide(input) ?? closed;
  }

  explain(input: PolicyInput): PolicyTrace {
    return this.#engine?.explain(input) ?? { decision: closed, rules: [] };
  }

  /** Why it cannot decide. */
  check(): Failure | undefined {
    return this.#engine === undefined ? this.#failure : undefined;
  }

  /** Follows the path no more. */
  close(): void {
    this.#closed = true;
    this.#engine?.close();
  }

  async #open(): Promise<void> {
    try {
      // Loaded here, for it alone brings in a parser of YAML.
      const { openPolicy } = await import("@authmesh/oath/node");
      this.#engine = await openPolicy(this.#path, { logger: this.#logger, onEvent: this.#onEvent });
      if (this.#closed) this.#engine.close();
    } catch (error) {
      this.#failedAt = performance.now();
      this.#report(error);
    }
  }

  #report(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#failure = error instanceof AmeshError ? error.failure : failure("verifier_not_ready", message);
    if (message === this.#reported) return;
    this.#reported = message;
    const known = error instanceof AmeshError ? { code: error.code, fix: error.fix } : {};
    this.#logger.error(`the policy cannot be opened, so every token is refused: ${message}`, known);
  }
}

const closed: PolicyDecision = { allowed: false, reason: "The policy cannot be opened; the log says why." };
