import type { Device } from "../../packages/authority/test/running-authority.js";
import type { Minted, Office } from "./office.js";
import { type Proof, presented, signedBy } from "./proof.js";
import type { Call, Purpose } from "./record.js";
import { Lines, send } from "./send.js";
import { type Target, targets } from "./stage.js";

export interface TrafficScene {
  readonly urls: Readonly<Record<Target, string>>;
  /** Whom callers trust where a URL says https, in PEM. */
  readonly ca: string | undefined;
  readonly office: Pick<Office, "tokens" | "revokedTokens">;
  readonly callers: readonly Device[];
  /** Who was revoked, or is about to be. They call all the time. */
  readonly revoked: readonly Device[];
  /** Requests of honest callers a second. */
  readonly rate: number;
  /** Seconds from a revocation on after which its token is presented there: before, it may be let in, and be used up. */
  readonly boundSeconds: (target: Target) => number;
}

/** How often each is sent for every hundred requests of honest callers. */
const shares: readonly (readonly [Purpose, perHundred: number])[] = [
  ["honest", 100],
  ["replay", 12],
  ["revoked", 12],
  ["tampered", 6],
];
/** Of honest requests, one of so many is made with a token. */
const tokenEvery = 8;
/** Requests that were accepted and can be shown again: those of the last seconds, and by chance one of before. */
const mostRemembered = 1000;
const tickMs = 10;
/** A machine that is too busy falls behind, and does not catch up with a flood. */
const mostAtOnce = 25;

/** Callers of every kind, each at its pace, whatever becomes of the answers. */
export class Traffic {
  readonly calls: Call[] = [];
  readonly #scene: TrafficScene;
  readonly #lines: Lines;
  readonly #underWay = new Set<Promise<void>>();
  readonly #accepted: Proof[] = [];
  #sent = 0;
  readonly #timer: NodeJS.Timeout;

  constructor(scene: TrafficScene) {
    this.#scene = scene;
    this.#lines = new Lines(scene.ca);
    const due = new Map<Purpose, number>();
    let before = performance.now();
    this.#timer = setInterval(() => {
      const seconds = (performance.now() - before) / 1000;
      before += 1000 * seconds;
      for (const [purpose, perHundred] of shares) {
        const share = (due.get(purpose) ?? 0) + (seconds * scene.rate * perHundred) / 100;
        const now = Math.min(Math.floor(share), mostAtOnce);
        due.set(purpose, share - Math.floor(share));
        for (let i = 0; i < now; i++) this.#track(this.#send(purpose));
      }
    }, tickMs);
  }

  /** Resolves when the last answer came, or was waited for long enough. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
    this.#lines.close();
  }

  #track(work: Promise<void>): void {
    this.#underWay.add(work);
    void work.finally(() => this.#underWay.delete(work));
  }

  async #send(purpose: Purpose): Promise<void> {
    const target = targets[this.#sent++ % targets.length] as Target;
    const made = await this.#make[purpose](target);
    if (made === undefined) return;
    const { proof, caller } = made;
    const sentAt = Date.now();
    const outcome = await send(this.#scene.urls[target], made, this.#lines);
    this.calls.push({ target, purpose, proof, caller, sentAt, endedAt: Date.now(), ...outcome });
    if (outcome.status === 200) this.#remember(made);
  }

  readonly #make: Readonly<Record<Purpose, (target: Target) => Promise<Proof | undefined>>> = {
    honest: async () => {
      const minted = this.#sent % tokenEvery === 0 ? this.#scene.office.tokens.shift() : undefined;
      return minted === undefined ? signedBy(oneOf(this.#scene.callers)) : presented(minted);
    },
    replay: async () => (this.#accepted.length > 0 ? oneOf(this.#accepted) : undefined),
    revoked: async (target) => {
      const minted = this.#revokedToken(target);
      return minted === undefined ? signedBy(oneOf(this.#scene.revoked)) : presented(minted);
    },
    tampered: async () => {
      const made = await signedBy(oneOf(this.#scene.callers));
      return { ...made, path: `${made.path}?all=1`, proof: `${made.proof}?all=1` };
    },
  };

  /** One that nobody has presented, so that nothing but its revocation can be why it is refused. */
  #revokedToken(target: Target): Minted | undefined {
    const { office, boundSeconds } = this.#scene;
    const [oldest] = office.revokedTokens;
    const isDue = oldest !== undefined && Date.now() > oldest.revokedAt + 1000 * boundSeconds(target);
    return isDue ? office.revokedTokens.shift() : undefined;
  }

  #remember(made: Proof): void {
    if (this.#accepted.length < mostRemembered) this.#accepted.push(made);
    else this.#accepted[Math.floor(Math.random() * mostRemembered)] = made;
  }
}

const oneOf = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)] as T;
