import { AmeshError } from "@authmesh/core";
import type { PolicyDecision, PolicyEngine, PolicyInput, PolicyTrace } from "../policy/policy-engine.js";
import type { SeenFile } from "./bounded-file.js";
import { followFiles, type Sight } from "./follow-files.js";
import { compileFiles, type LoadedPolicy, readPolicyFiles } from "./policy-files.js";
import type { PklOptions } from "./policy-pkl.js";

/** What happened to a policy on disk; the members that an audit event is made of. */
export interface PolicyEvent {
  readonly type: "dev.authmesh.policy.reloaded" | "dev.authmesh.policy.refused";
  /** Unix seconds. */
  readonly time: number;
  readonly proven: true;
  readonly data: {
    readonly path: string;
    /** The policy that decided until now, and still does where the new one was refused. */
    readonly before: string;
    /** The policy that decides from now on. */
    readonly after?: string;
    readonly files?: readonly string[];
    /** Files of the policy before that are not there any more, where some are not. */
    readonly gone?: readonly string[];
    readonly rules?: number;
    /** Why it was refused. */
    readonly problem?: string;
  };
}

/** Any common logger. */
export interface PolicyLogger {
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

export interface OpenPolicyOptions extends PklOptions {
  /** Told of every policy that is taken or refused after the first; what it throws is ignored. */
  readonly onEvent?: (event: PolicyEvent) => void;
  /** Default: standard error, for what is refused, and for files that are gone. */
  readonly logger?: PolicyLogger;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: () => number;
}

/** A policy that follows its file or folder. */
export interface OpenPolicy extends PolicyEngine {
  /** Names of the files that the policy was read from. */
  readonly files: readonly string[];
  /** Why the files as they are now are not what decides; undefined where they are. */
  readonly refused: string | undefined;
  /** Stops following. The policy goes on deciding. */
  close(): void;
}

const standardError: PolicyLogger = {
  info() {},
  warn: (message, fields) => console.error(`amesh: ${message} ${JSON.stringify(fields)}`),
  error: (message, fields) => console.error(`amesh: ${message} ${JSON.stringify(fields)}`),
};

/**
 * Opens a policy and keeps it fresh: a change is seen within a second, whether a file was written, renamed into its
 * place, or a link to it changed. A change that cannot be used changes nothing, and is reported once. Keeps no process
 * alive.
 *
 * @param path a file, or a folder as `loadPolicy` takes it
 * @throws AmeshError `policy_invalid`, `storage_failed`: without a policy to begin with, nothing is decided
 */
export async function openPolicy(path: string, options: OpenPolicyOptions = {}): Promise<OpenPolicy> {
  const files = await readPolicyFiles(path);
  const loaded = await compileFiles(files, options);
  return new WatchedPolicy(path, options, loaded, files);
}

class WatchedPolicy implements OpenPolicy {
  readonly #path: string;
  readonly #options: OpenPolicyOptions;
  #loaded: LoadedPolicy;
  #refused: string | undefined;
  #isClosed = false;
  readonly #stop: () => void;

  constructor(path: string, options: OpenPolicyOptions, loaded: LoadedPolicy, known: readonly SeenFile[]) {
    this.#path = path;
    this.#options = options;
    this.#loaded = loaded;
    this.#stop = followFiles({
      path,
      known,
      read: () => readPolicyFiles(path),
      take: (sight) => this.#take(sight),
    });
  }

  decide(input: PolicyInput): PolicyDecision {
    return this.#loaded.engine.decide(input);
  }

  explain(input: PolicyInput): PolicyTrace {
    return this.#loaded.engine.explain(input);
  }

  get digest(): string {
    return this.#loaded.engine.digest;
  }

  get files(): readonly string[] {
    return this.#loaded.files;
  }

  get refused(): string | undefined {
    return this.#refused;
  }

  close(): void {
    this.#isClosed = true;
    this.#stop();
  }

  async #take(sight: Sight): Promise<void> {
    try {
      if (sight.error !== undefined) throw sight.error;
      const loaded = await compileFiles(sight.files, this.#options);
      if (!this.#isClosed) this.#accept(loaded);
    } catch (error) {
      this.#refuse(error instanceof AmeshError ? error.message : String(error));
    }
  }

  #accept(loaded: LoadedPolicy): void {
    const { digest: before, files: filesBefore } = this;
    this.#loaded = loaded;
    this.#refused = undefined;
    const { files, document, engine } = loaded;
    const gone = filesBefore.filter((file) => !files.includes(file));
    const fields = { before, after: engine.digest, files, rules: document.rules.length };
    if (gone.length === 0) this.#tell("reloaded", fields, "info", "a new policy decides");
    // What it denied is denied no more; a file that went by mistake looks the same.
    else
      this.#tell("reloaded", { ...fields, gone }, "warn", `a new policy decides, without ${gone.join(", ")}`);
  }

  #refuse(problem: string): void {
    this.#refused = problem;
    const fields = { before: this.digest, problem };
    this.#tell(
      "refused",
      fields,
      "error",
      "the new policy cannot be used; the one before it goes on deciding",
    );
  }

  #tell(
    what: "reloaded" | "refused",
    fields: Omit<PolicyEvent["data"], "path">,
    level: keyof PolicyLogger,
    message: string,
  ): void {
    const { onEvent = () => {}, logger = standardError, now = Date.now } = this.#options;
    const data = { path: this.#path, ...fields };
    const event: PolicyEvent = {
      type: `dev.authmesh.policy.${what}`,
      time: Math.floor(now() / 1000),
      proven: true,
      data,
    };
    for (const tell of [() => logger[level](message, data), () => onEvent(event)]) {
      try {
        tell();
      } catch {
        // Whoever is told cannot keep a policy from deciding.
      }
    }
  }
}
