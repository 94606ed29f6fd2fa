import { AmeshError, type Failure } from "@authmesh/core";

const lookEveryMs = 1000;

/** Why a caller would no longer be let in; undefined while it would. */
export type Standing = Failure | undefined;

export interface CallerWatchOptions<Caller> {
  /** Called once for each look over all callers; what it returns is asked of each of them. Rejects for nothing. */
  readonly judge: () => (caller: Caller) => Standing | Promise<Standing>;
  /** Brings back what failed, if that can be done. Resolves, never rejects. */
  readonly ready: () => Promise<void>;
  /** Tells of changes, so that a look is taken at once. Default: there is a look every second. */
  readonly onChange?: (listener: () => void) => () => void;
}

interface Watched<Caller> {
  readonly caller: Caller;
  readonly lost: (reason: AmeshError) => void;
}

/**
 * Says when a caller that was let in would no longer be, for connections that outlive their first request. It looks at
 * each change and every second, and rests while nobody is watched.
 */
export class CallerWatch<Caller> {
  readonly #options: CallerWatchOptions<Caller>;
  readonly #watched = new Set<Watched<Caller>>();
  #rest: (() => void) | undefined;

  constructor(options: CallerWatchOptions<Caller>) {
    this.#options = options;
  }

  /** @param lost called once; returns the way to stop watching */
  add(caller: Caller, lost: Watched<Caller>["lost"]): () => void {
    const watched = { caller, lost };
    this.#watched.add(watched);
    this.#rest ??= this.#begin();
    return () => this.#remove(watched);
  }

  #begin(): () => void {
    const { ready, onChange } = this.#options;
    const unsubscribe = onChange?.(() => this.#look());
    const timer = setInterval(() => void ready().then(() => this.#look()), lookEveryMs);
    timer.unref();
    return () => {
      clearInterval(timer);
      unsubscribe?.();
    };
  }

  #look(): void {
    const standingOf = this.#options.judge();
    for (const watched of [...this.#watched]) {
      const standing = standingOf(watched.caller);
      if (standing instanceof Promise) void standing.then((reason) => this.#end(watched, reason));
      else this.#end(watched, standing);
    }
  }

  #end(watched: Watched<Caller>, reason: Standing): void {
    if (reason === undefined || !this.#watched.has(watched)) return;
    this.#remove(watched);
    watched.lost(new AmeshError(reason));
  }

  #remove(watched: Watched<Caller>): void {
    this.#watched.delete(watched);
    if (this.#watched.size > 0) return;
    this.#rest?.();
    this.#rest = undefined;
  }
}
