/** How long a lookout rests, in milliseconds. */
export interface LookoutPauses {
  readonly calmMs: number;
  readonly uneasyMs: number;
}

/** Looks again and again, one look at a time, and keeps no process alive for it. */
export class Lookout {
  readonly #look: () => Promise<boolean>;
  readonly #pauses: LookoutPauses;
  #timer: NodeJS.Timeout | undefined;
  #looking = false;
  #calledMeanwhile = false;
  #stopped = false;

  /** @param look says whether all is calm; it is not when it rejects */
  constructor(look: () => Promise<boolean>, pauses: LookoutPauses) {
    this.#look = look;
    this.#pauses = pauses;
    this.#rest(true);
  }

  /** Looks at once; if a look is under way, again right after it. */
  call(): void {
    if (this.#stopped) return;
    this.#calledMeanwhile = this.#looking;
    if (!this.#looking) void this.#run();
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#looking = true;
    const calm = await this.#look().catch(() => false);
    this.#looking = false;
    if (this.#stopped) return;
    if (this.#calledMeanwhile) this.call();
    else this.#rest(calm);
  }

  #rest(calm: boolean): void {
    const { calmMs, uneasyMs } = this.#pauses;
    this.#timer = setTimeout(() => void this.#run(), calm ? calmMs : uneasyMs).unref();
  }
}
