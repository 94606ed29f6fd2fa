import { randomBytes } from "@authmesh/core";
import { mailAddress } from "@authmesh/core/enrollment";
import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { activationMail, takenMail } from "../../src/accounts/account-mails.js";
import { newActivationCode, readActivationCode } from "../../src/accounts/activation-code.js";
import { MailQueue, type MailQueueOptions } from "../../src/accounts/mail-queue.js";
import { openMailer } from "../../src/accounts/mailer.js";
import { silent } from "../running-authority.js";
import { codeIn, MailServer } from "./mail-server.js";

const about = { account: "@acme", email: "you@example.com", issuer: "https://issuer.example.com" };
const mail = { to: "you@example.com", subject: "Hello", text: "Hello.\n" };

function mailerTo(url: string) {
  const mailer = openMailer("amesh@example.com", { AMESH_SMTP_URL: url });
  if (mailer === undefined) throw new Error("there is no mailer");
  onTestFinished(() => mailer.close());
  return mailer;
}

describe("a mail address", () => {
  it.each(["a@b", "you+amesh@example.com", "o'hara@sub.example.co.uk", "YOU@Example.COM"])(
    "may be %s",
    (text) => {
      expect(mailAddress(text)).toBe(text.toLowerCase());
    },
  );

  it.each([
    "",
    "you",
    "@example.com",
    "you@",
    "you@example.com\r\nBcc: other@example.com",
    "you@example.com\n",
    "you@example.com, other@example.com",
    "<you@example.com>",
    '"you"@example.com',
    "you @example.com",
    ".you@example.com",
    "you@-example.com",
    "yöu@example.com",
    `${"y".repeat(300)}@example.com`,
  ])("is not %j", (text) => {
    expect(mailAddress(text)).toBeUndefined();
  });

  it("names nobody else and begins no line, whatever the text", () => {
    const hostile = fc.string({ unit: fc.constantFrom(..."a@.\r\n<>,;: \"'\\\0é") });
    fc.assert(
      fc.property(fc.oneof(hostile, fc.string({ unit: "binary" }), fc.emailAddress()), (text) => {
        const read = mailAddress(text);
        if (read !== undefined) expect(read).toMatch(/^[^\s<>,;:"\\\p{Cc}@]+@[a-z0-9.-]+$/u);
      }),
    );
  });
});

describe("an activation code", () => {
  it("is read however a person types it, and nothing else is", () => {
    const code = newActivationCode(randomBytes);
    expect(code).toMatch(/^[A-Z2-7]{4}-[A-Z2-7]{4}$/);
    expect(readActivationCode(` ${code.toLowerCase().replace("-", " ")}\n`)).toBe(code);
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(readActivationCode(text) ?? code).toMatch(/^[A-Z2-7]{4}-[A-Z2-7]{4}$/);
      }),
    );
  });
});

describe("mail over SMTP", () => {
  it("arrives with its words, and answers to nobody's absence", async () => {
    const server = await MailServer.start();
    await mailerTo(server.url).send(activationMail(about, "ABCD-EFGH"));
    const { from, to, source } = await server.after(0);
    expect([from, to]).toEqual(["amesh@example.com", ["you@example.com"]]);
    expect(source).toContain("Auto-Submitted: auto-generated");
    expect(source).toContain("Subject: Code to open the account @acme");
    const words = source.replaceAll("=\n", "");
    expect(words).toContain("asked https://issuer.example.com for the account @acme");
    expect(words).toContain(
      "amesh register @acme --email you@example.com --authority https://issuer.example.com",
    );
    expect(codeIn({ from, to, source })).toBe("ABCD-EFGH");
  });

  it("says that a name is taken, with an address as a shell takes it", async () => {
    const server = await MailServer.start();
    await mailerTo(server.url).send(takenMail({ ...about, email: "o'hara@example.com" }));
    const words = (await server.after(0)).source.replaceAll("=\n", "");
    expect(words).toContain(String.raw`--email 'o'\''hara@example.com'`);
    expect(words).toContain("amesh enroll request");
  });

  it("logs in where the URL has a password", async () => {
    const seen: unknown[] = [];
    const server = await MailServer.start({
      authOptional: false,
      onAuth: ({ username, password }, _, done) => {
        seen.push([username, password]);
        done(null, { user: username });
      },
    });
    await mailerTo(`smtp://a%40b:p%2Fw@127.0.0.1:${server.port}`).send(mail);
    expect(seen).toEqual([["a@b", "p/w"]]);
  });

  it("is not sent in the clear beyond loopback, and not to a certificate nobody vouches for", async () => {
    const plain = await MailServer.start();
    // Another name of this machine, which is not known to be loopback.
    await expect(mailerTo(`smtp://0.0.0.0:${plain.port}`).send(mail)).rejects.toThrow();
    const tls = await MailServer.start({ secure: true });
    await expect(mailerTo(`smtps://127.0.0.1:${tls.port}`).send(mail)).rejects.toThrow();
    expect([plain.mails, tls.mails]).toEqual([[], []]);
  });

  it.each([
    "",
    "mail.example.com",
    "http://mail.example.com",
    "smtp://h/path",
    "smtp://h?tls=no",
    "smtp://%zz@h",
    "smtp:",
  ])("takes no URL such as %j", (url) => {
    const open = () => openMailer("amesh@example.com", { AMESH_SMTP_URL: url });
    if (url === "") expect(open()).toBeUndefined();
    else expect(open).toThrow(expect.objectContaining({ code: "invalid_option" }));
  });
});

describe("the queue of mails", () => {
  const queueOf = (options: Partial<MailQueueOptions> & Pick<MailQueueOptions, "mailer">) => {
    const queue = new MailQueue({ logger: silent, retryAfterMs: [0, 0], ...options });
    onTestFinished(() => queue.close());
    return queue;
  };

  it("tries again where the server is not there for now, and sends once", async () => {
    let refusals = 2;
    const server = await MailServer.start({
      onRcptTo: (_, __, done) =>
        refusals-- > 0 ? done(Object.assign(new Error("later"), { responseCode: 451 })) : done(),
    });
    queueOf({ mailer: mailerTo(server.url) }).add(async () => mail);
    await server.after(0);
    expect([refusals, server.mails.length]).toEqual([-1, 1]);
  });

  it("sends the others at once while mails that failed wait, and warns of each when it fails first", async () => {
    const server = await MailServer.start({
      onRcptTo: ({ address }, _, done) =>
        address.startsWith("away") ? done(Object.assign(new Error("later"), { responseCode: 451 })) : done(),
    });
    const warn = vi.fn();
    const queue = queueOf({
      mailer: mailerTo(server.url),
      logger: { ...silent, warn },
      retryAfterMs: [3_600_000],
      most: 7,
    });
    for (let i = 0; i < 6; i++) queue.add(async () => ({ ...mail, to: `away-${i}@example.com` }));
    queue.add(async () => mail);
    expect((await server.after(0)).to).toEqual([mail.to]);
    await vi.waitUntil(() => warn.mock.calls.length === 6);
    expect(warn).toHaveBeenCalledWith("a mail waits to be sent again", { reason: '"EENVELOPE" "451"' });
    // What waits counts.
    queue.add(async () => undefined);
    expect(() => queue.add(async () => mail)).toThrow(expect.objectContaining({ code: "rate_limited" }));
  });

  it("gives up at a refusal for good, says so without the address, and goes on", async () => {
    let asked = 0;
    const server = await MailServer.start({
      onRcptTo: ({ address }, _, done) => {
        if (address === "other@example.com") return done();
        asked++;
        return done(Object.assign(new Error("no such user you@example.com"), { responseCode: 550 }));
      },
    });
    const error = vi.fn();
    const queue = queueOf({ mailer: mailerTo(server.url), logger: { ...silent, error } });
    queue.add(async () => mail);
    queue.add(async () => ({ ...mail, to: "other@example.com" }));
    await server.after(0);
    await vi.waitUntil(() => error.mock.calls.length > 0);
    expect(asked).toBe(1);
    expect(error.mock.calls).toEqual([["a mail was not sent", { reason: '"EENVELOPE" "550"' }]]);
  });

  it("takes no more than it may hold, and ends with what it sends", async () => {
    const begun: (() => void)[] = [];
    const send = () => new Promise<void>((resolve) => void begun.push(resolve));
    const queue = queueOf({ mailer: { send }, most: 3 });
    const compose = vi.fn(async () => mail);
    for (let i = 0; i < 3; i++) queue.add(compose);
    expect(() => queue.add(compose)).toThrow(expect.objectContaining({ code: "rate_limited" }));
    await vi.waitUntil(() => begun.length === 3);
    for (let i = 0; i < 3; i++) queue.add(compose);
    const closed = queue.close();
    for (const end of begun) end();
    await closed;
    expect(compose.mock.calls.length).toBeLessThanOrEqual(4);
  });
});
