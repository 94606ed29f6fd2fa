import { setTimeout as pause } from "node:timers/promises";
import type { Account, Enrolled } from "../../packages/authority/test/enrollment/account.js";
import { Device } from "../../packages/authority/test/running-authority.js";
import { callTimeoutMs } from "./invariants.js";
import { tokenAudience } from "./launches.js";
import type { Call, Write } from "./record.js";
import { outcomeOf } from "./send.js";

/** What can be asked for afterwards, and by what. */
export interface Acknowledged extends Write {
  readonly enrollment?: string;
  readonly token?: string;
}

/** A token that nobody has presented. */
export interface Minted {
  readonly token: string;
  readonly jti: string;
  readonly caller: Device;
}

export interface RevokedToken extends Minted {
  /** Milliseconds since the epoch. */
  readonly revokedAt: number;
}

export interface OfficeScene {
  readonly url: string;
  readonly account: Account;
  /** May revoke tokens. */
  readonly operator: Pick<Device, "id" | "fetch">;
  readonly callers: readonly Device[];
  /** Milliseconds between revocations of tokens. Default 500. */
  readonly revokeEveryMs?: number | undefined;
}

const mintEveryMs = 40;
const extendEveryMs = 300;
const revokeEveryMs = 500;
const enrollEveryMs = 2000;
/** A token is good for two minutes; a store of tokens is used up long before. */
const mostTokens = 100;

/** Asks the authority for one thing after another, and remembers what it acknowledged. */
export class Office {
  readonly calls: Call[] = [];
  readonly writes: Acknowledged[] = [];
  readonly tokens: Minted[] = [];
  /** Revoked by name; nobody has presented them. */
  readonly revokedTokens: RevokedToken[] = [];
  readonly #scene: OfficeScene;
  #isOpen = true;
  readonly #running: Promise<unknown>;

  /** @param extended is granted more time again and again, so that the feed always has something to tell */
  constructor(scene: OfficeScene, extended: Enrolled) {
    this.#scene = scene;
    let next = 0;
    this.#running = Promise.all([
      this.#again(mintEveryMs, async () => {
        const caller = scene.callers[next++ % scene.callers.length];
        if (caller !== undefined && this.tokens.length < mostTokens) await this.#mint(caller);
      }),
      this.#again(extendEveryMs, () => this.#decide(extended.id, "extend", { lifetime: 86_400 })),
      this.#again(scene.revokeEveryMs ?? revokeEveryMs, () => this.#revokeToken()),
      this.#again(enrollEveryMs, () => this.#enroll()),
    ]);
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    await this.#running;
  }

  /** Revokes a device, if the authority does. */
  async revoke({ device, id }: Enrolled): Promise<void> {
    if ((await this.#decide(id, "revoke")) !== undefined)
      this.#acknowledge("revoked", device.id, { enrollment: id });
  }

  /** What is refused, or gets no answer, is asked for again in time. */
  async #again(everyMs: number, work: () => Promise<unknown>): Promise<void> {
    while (this.#isOpen) {
      await Promise.allSettled([work(), pause(everyMs)]);
    }
  }

  #acknowledge(kind: Write["kind"], subject: string, by: Pick<Acknowledged, "enrollment" | "token">): number {
    const acknowledgedAt = Date.now();
    this.writes.push({ kind, subject, acknowledgedAt, ...by });
    return acknowledgedAt;
  }

  async #mint(caller: Device): Promise<void> {
    const body = await this.#post(caller, "/v1/token", { aud: tokenAudience, act: "orders.read" });
    if (body === undefined) return;
    const { token } = JSON.parse(body) as { readonly token: string };
    const jti = jtiOf(token);
    this.#acknowledge("minted", jti, { token });
    this.tokens.push({ token, jti, caller });
  }

  async #revokeToken(): Promise<void> {
    const minted = this.tokens.shift();
    if (minted === undefined) return;
    const entry = { by: "jti", value: minted.jti, reason: "lost" };
    const answer = await this.#post(this.#scene.operator, "/v1/revocations", entry);
    if (answer === undefined) return;
    const revokedAt = this.#acknowledge("revoked", minted.jti, {});
    this.revokedTokens.push({ ...minted, revokedAt });
  }

  async #enroll(): Promise<void> {
    const { account } = this.#scene;
    const { master } = account;
    const device = new Device();
    const given = await this.#ask(master.id, "passcode", () => account.askPasscode());
    if (given === undefined) return;
    const { passcode } = JSON.parse(given) as { readonly passcode: string };
    const request = () => account.send(device, account.request(device), passcode);
    const asked = await this.#ask(device.id, "request", request);
    if (asked === undefined) return;
    const { id } = JSON.parse(asked) as { readonly id: string };
    if ((await this.#decide(id, "approve")) !== undefined)
      this.#acknowledge("approved", device.id, { enrollment: id });
  }

  #decide(id: string, type: string, body?: object): Promise<string | undefined> {
    const { account } = this.#scene;
    return this.#ask(account.master.id, type, () => account.decide(id, type, body));
  }

  #post(by: OfficeScene["operator"], path: string, content: object): Promise<string | undefined> {
    return this.#ask(by.id, path, () =>
      by.fetch(`${this.#scene.url}${path}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(content),
        signal: AbortSignal.timeout(callTimeoutMs),
      }),
    );
  }

  /** Asks for something. @returns the body of an answer that is no refusal */
  async #ask(caller: string, what: string, asked: () => Promise<Response>): Promise<string | undefined> {
    const sentAt = Date.now();
    const { body, ...outcome } = await answerTo(asked);
    // Calls are served by 200; that something was created besides is no matter here.
    const status = isGood(outcome.status) ? 200 : outcome.status;
    const about = { target: "authority", purpose: "honest", caller, proof: `POST ${what}` } as const;
    this.calls.push({ ...about, sentAt, endedAt: Date.now(), ...outcome, status });
    return isGood(status) ? body : undefined;
  }
}

async function answerTo(asked: () => Promise<Response>) {
  try {
    const answer = await asked();
    const body = await answer.text();
    return { ...outcomeOf(answer.status, Object.fromEntries(answer.headers), body), body };
  } catch {
    return { status: 0, body: "" };
  }
}

const isGood = (status: number): boolean => status >= 200 && status < 300;

function jtiOf(token: string): string {
  const [, payload = ""] = token.split(".");
  return (JSON.parse(Buffer.from(payload, "base64url").toString()) as { readonly jti: string }).jti;
}
