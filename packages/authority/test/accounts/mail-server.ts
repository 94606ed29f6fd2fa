import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { SMTPServer, type SMTPServerOptions } from "smtp-server";
import { onTestFinished, vi } from "vitest";
import type { Ended } from "../stores.js";

/** A mail as it came over the wire. */
export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Headers and text, with \n at the ends of lines. */
  readonly source: string;
}

/** An SMTP server on loopback that keeps what it is given. */
export class MailServer {
  readonly mails: ReceivedMail[] = [];
  readonly #server: SMTPServer;

  private constructor(options: SMTPServerOptions) {
    this.#server = new SMTPServer({
      disabledCommands: ["STARTTLS"],
      authOptional: true,
      allowInsecureAuth: true,
      onData: async (stream, { envelope }, done) => {
        const source = (await text(stream)).replaceAll("\r\n", "\n");
        const from = envelope.mailFrom === false ? "" : envelope.mailFrom.address;
        this.mails.push({ from, to: envelope.rcptTo.map(({ address }) => address), source });
        done();
      },
      ...options,
    });
  }

  static async start(options: SMTPServerOptions = {}, ended: Ended = onTestFinished): Promise<MailServer> {
    const mail = new MailServer(options);
    mail.#server.on("error", () => {}); // of one connection
    const { server } = mail.#server;
    mail.#server.listen(0, "127.0.0.1");
    if (!server.listening) await once(server, "listening");
    ended(() => new Promise<void>((resolve) => void mail.#server.close(() => resolve())));
    return mail;
  }

  get port(): number {
    return (this.#server.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  /** The mail after the first so many, as soon as it is there. */
  async after(count: number): Promise<ReceivedMail> {
    return vi.waitUntil(() => this.mails[count], { timeout: 5000, interval: 5 });
  }
}

/** The code in a mail. */
export const codeIn = ({ source }: ReceivedMail): string =>
  /^ {4}([A-Z2-7]{4}-[A-Z2-7]{4})$/m.exec(source)?.[1] ?? "";
