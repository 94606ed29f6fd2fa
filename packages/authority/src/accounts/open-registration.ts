import { AmeshError } from "@authmesh/core";
import type { Environment } from "@authmesh/keystore";
import type { Logger } from "@authmesh/sdk";
import { MailQueue } from "./mail-queue.js";
import { Registration, type RegistrationMode, type RegistrationOptions } from "./registration.js";

export interface OpenRegistration {
  readonly registration: Registration;
  /** Finishes the mail that is being sent. */
  close(): Promise<void>;
}

/**
 * Registration with the mail server of the environment; undefined where it is closed.
 *
 * @throws AmeshError `invalid_option` where there is no mail server
 */
export async function openRegistration(
  options: Omit<RegistrationOptions, "mode" | "mails"> & {
    readonly mode: RegistrationMode;
    readonly mailFrom: string | undefined;
    readonly logger: Logger;
  },
  env: Environment = process.env,
): Promise<OpenRegistration | undefined> {
  const { mode, mailFrom, logger } = options;
  if (mode === "closed" || mailFrom === undefined) return undefined;
  const { openMailer, smtpSource } = await import("./mailer.js");
  const mailer = openMailer(mailFrom, env);
  if (mailer === undefined)
    throw new AmeshError("invalid_option", "Registration needs a mail server, and none is named.", {
      fix: `Set ${smtpSource.variable} or ${smtpSource.fileVariable} to smtps://USER:PASSWORD@HOST, or close the registration.`,
    });
  const mails = new MailQueue({ mailer, logger });
  return {
    registration: new Registration({ ...options, mode, mails }),
    async close() {
      await mails.close();
      mailer.close();
    },
  };
}
