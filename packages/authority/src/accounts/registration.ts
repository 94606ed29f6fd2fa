import { AmeshError, type Random, randomBytes } from "@authmesh/core";
import type { Enrollments, NewAccount } from "../enrollment/enrollments.js";
import { activationMail, takenMail } from "./account-mails.js";
import {
  activationDigest,
  activationLife,
  newActivationCode,
  readActivationCode,
} from "./activation-code.js";
import type { MailQueue } from "./mail-queue.js";
import type { Mail } from "./mailer.js";
import type { RegistrationStore } from "./registration-store.js";

/** Who may open an account by mail: nobody, addresses that an operator invited, or everybody. */
export const registrationModes = ["closed", "invited", "open"] as const;
export type RegistrationMode = (typeof registrationModes)[number];

type AccountState = Awaited<ReturnType<Enrollments["accountFor"]>>;

export interface RegistrationOptions {
  readonly mode: Exclude<RegistrationMode, "closed">;
  readonly store: RegistrationStore;
  readonly accounts: Pick<Enrollments, "accountFor" | "createAccount">;
  readonly mails: MailQueue;
  /** 32 bytes that all replicas have. */
  readonly key: Uint8Array;
  readonly issuer: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly random?: Random;
}

/** Accounts for whoever reads a mail (docs/protocol.md, section 10.4). */
export class Registration {
  readonly #options: RegistrationOptions;

  constructor(options: RegistrationOptions) {
    this.#options = options;
  }

  /**
   * Has a mail sent to an address, or none. Nobody can tell by the answer, since all of it happens afterwards.
   *
   * @throws AmeshError `rate_limited` where too many mails wait
   */
  ask(account: string, email: string): void {
    this.#options.mails.add(() => this.#answer(account, email));
  }

  /**
   * Opens the account by the code that was mailed.
   *
   * @throws AmeshError `activation_refused`, `database_unavailable`
   */
  async activate(account: string, text: string): Promise<NewAccount> {
    const { store, accounts, key, now } = this.#options;
    const code = readActivationCode(text) ?? "";
    const digest = activationDigest(key, account, code);
    const email = await store.useActivation(account, digest, Math.floor(now() / 1000));
    // An invitation may have been taken back since the mail.
    const mayOpen =
      email !== undefined && (await this.#isLetIn(email, await accounts.accountFor(account, email)));
    const opened = mayOpen ? await accounts.createAccount(account, email) : undefined;
    if (email === undefined || opened === undefined) throw new AmeshError("activation_refused");
    await store.forgetInvited(email);
    return opened;
  }

  /** Whoever waits for an account that is theirs already needs no invitation. */
  async #isLetIn(email: string, state: AccountState): Promise<boolean> {
    const { mode, store } = this.#options;
    return mode === "open" || state === "awaited" || store.isInvited(email);
  }

  async #answer(account: string, email: string): Promise<Mail | undefined> {
    const { store, accounts, key, issuer, now, random = randomBytes } = this.#options;
    const state = await accounts.accountFor(account, email);
    if (!(await this.#isLetIn(email, state))) return undefined;
    if (state === "taken") return takenMail({ account, email, issuer });
    const time = Math.floor(now() / 1000);
    const code = newActivationCode(random);
    const digest = activationDigest(key, account, code);
    await store.saveActivation({ account, email, digest, expiresAt: time + activationLife }, time);
    return activationMail({ account, email, issuer }, code);
  }
}
