import { AmeshError } from "@authmesh/core";
import { type Environment, secretFrom } from "@authmesh/keystore";
import { createTransport } from "nodemailer";

/** A mail in plain text. */
export interface Mail {
  /** As `mailAddress` writes it. */
  readonly to: string;
  readonly subject: string;
  readonly text: string;
}

/** How the authority sends mail. */
export interface Mailer {
  /** Rejects with what the mail server, or the way to it, does not take. */
  send(mail: Mail): Promise<void>;
  close(): void;
}

/** The URL holds a password. */
export const smtpSource = {
  variable: "AMESH_SMTP_URL",
  fileVariable: "AMESH_SMTP_URL_FILE",
  missing: "invalid_option",
} as const;

const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

const patience = {
  connectionTimeout: 10_000,
  greetingTimeout: 10_000,
  socketTimeout: 20_000,
  dnsTimeout: 10_000,
} as const;

/**
 * Sends mail by the SMTP server that the environment names; undefined where it names none. Beyond loopback the connection has to be
 * TLS, by `smtps:` or STARTTLS.
 *
 * @param from the sender's address, as `mailAddress` writes it
 * @throws AmeshError `invalid_option`
 */
export function openMailer(from: string, env: Environment): Mailer | undefined {
  const text = secretFrom(smtpSource, env);
  if (text === undefined) return undefined;
  const { protocol, hostname, port, username, password } = smtpUrl(text);
  const transport = createTransport({
    ...patience,
    host: hostname.replace(/^\[|\]$/g, ""),
    ...(port !== "" && { port: Number(port) }),
    secure: protocol === "smtps:",
    requireTLS: !loopback.test(hostname),
    ...(username !== "" && {
      auth: { user: decodeURIComponent(username), pass: decodeURIComponent(password) },
    }),
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send({ to, subject, text }) {
      await transport.sendMail({
        from: { name: "", address: from },
        to: { name: "", address: to },
        subject,
        text,
        // So that no absence note answers it (RFC 3834).
        headers: { "Auto-Submitted": "auto-generated" },
      });
    },
    close: () => transport.close(),
  };
}

function smtpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && /^\/?$/.test(url.pathname) && url.search === "" && url.hash === "";
  if (
    isPlain &&
    (url.protocol === "smtp:" || url.protocol === "smtps:") &&
    url.hostname !== "" &&
    decodes(url)
  )
    return url;
  throw new AmeshError("invalid_option", `${smtpSource.variable} is not a URL of a mail server.`, {
    fix: "Write smtps://USER:PASSWORD@HOST or smtp://USER:PASSWORD@HOST:587, USER and PASSWORD percent-encoded.",
  });
}

function decodes({ username, password }: URL): boolean {
  try {
    decodeURIComponent(username + password);
    return true;
  } catch {
    return false;
  }
}
