import { isAccountSecret } from "@authmesh/core/enrollment";
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from "vitest";
import { MailQueue } from "../../src/accounts/mail-queue.js";
import { openMailer } from "../../src/accounts/mailer.js";
import { Registration } from "../../src/accounts/registration.js";
import { createAuthority } from "../../src/create-authority.js";
import { SqlRegistrationStore } from "../../src/database/registration-rows.js";
import { Clock, claimOf, openReplica, proofBy } from "../enrolling.js";
import { RunningAuthority, secret, silent } from "../running-authority.js";
import { backends, temporaryFolder } from "../stores.js";
import { codeIn, MailServer } from "./mail-server.js";

const env = { AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret };
let server: MailServer;
let end: () => Promise<void> | void;
beforeAll(async () => {
  server = await MailServer.start({}, (stop) => {
    end = stop;
  });
});
afterAll(() => end());

describe.each(backends())("registration over $name", ({ place }) => {
  async function open(mode: "invited" | "open" = "open") {
    const clock = new Clock();
    const { enrollments, database } = await openReplica(await place(), clock);
    const store = new SqlRegistrationStore(database);
    const mailer = openMailer("amesh@example.com", { AMESH_SMTP_URL: server.url });
    if (mailer === undefined) throw new Error("there is no mailer");
    const mails = new MailQueue({ mailer, logger: silent });
    onTestFinished(async () => {
      await mails.close();
      mailer.close();
    });
    const key = new Uint8Array(32).fill(3);
    const issuer = "https://issuer.example.com";
    const registration = new Registration({
      mode,
      store,
      accounts: enrollments,
      mails,
      key,
      issuer,
      now: clock.now,
    });
    return {
      clock,
      enrollments,
      store,
      database,
      registration,
      async mailFor(account: string, email = "you@example.com") {
        const before = server.mails.length;
        registration.ask(account, email);
        return server.after(before);
      },
    };
  }
  const refused = { code: "activation_refused" };

  it("opens an account by the code in the mail, once", async () => {
    const { registration, enrollments, mailFor, database } = await open();
    const code = codeIn(await mailFor("@acme"));
    const rows = await database.selectFrom("activations").selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain(code);
    const all = [1, 2, 3].map(() => registration.activate("@acme", code));
    const ends = await Promise.allSettled(all);
    const opened = ends.flatMap((end) => (end.status === "fulfilled" ? [end.value] : []));
    expect(opened).toHaveLength(1);
    expect(opened[0]?.secret).toSatisfy(isAccountSecret);
    const claim = claimOf("@acme");
    await enrollments.onboard(claim, proofBy(opened[0]?.secret ?? "", claim));
    expect((await mailFor("@acme")).source).toContain("Subject: The account @acme is taken");
  });

  it("refuses a code that is another account's, older than another, or 15 minutes old", async () => {
    const { registration, clock, mailFor } = await open();
    const [older, newer] = [codeIn(await mailFor("@acme")), codeIn(await mailFor("@acme"))];
    await expect(registration.activate("@other", newer)).rejects.toMatchObject(refused);
    await expect(registration.activate("@acme", older)).rejects.toMatchObject(refused);
    clock.time += 900;
    await expect(registration.activate("@acme", newer)).rejects.toMatchObject(refused);
  });

  it("kills a code with the fifth wrong one, also when they come at once", async () => {
    const { registration, mailFor } = await open();
    const code = codeIn(await mailFor("@acme"));
    const wrong = ["AAAA-AAAA", "BBBB-BBBB", "", "A", "aaaa aaaa"].map((each) =>
      registration.activate("@acme", each),
    );
    for (const { status } of await Promise.allSettled(wrong)) expect(status).toBe("rejected");
    await expect(registration.activate("@acme", code)).rejects.toMatchObject(refused);
    const another = codeIn(await mailFor("@acme"));
    expect(await registration.activate("@acme", another)).toMatchObject({ account: "@acme" });
  });

  it("gives the same address another secret, and nobody else, while nobody came with the first", async () => {
    const { registration, enrollments, mailFor } = await open();
    const first = await registration.activate("@acme", codeIn(await mailFor("@acme")));
    const second = await registration.activate("@acme", codeIn(await mailFor("@acme")));
    expect((await mailFor("@acme", "other@example.com")).source).toContain("is taken");
    const claim = claimOf("@acme");
    await expect(enrollments.onboard(claim, proofBy(first.secret, claim))).rejects.toMatchObject({
      code: "onboarding_refused",
    });
    await enrollments.onboard(claim, proofBy(second.secret, claim));
    expect((await mailFor("@acme")).source).toContain("is taken");
  });

  it("opens one account for an address that was invited, and sends nothing to another", async () => {
    const { registration, store, clock, mailFor } = await open("invited");
    await store.invite("you@example.com", clock.time);
    await store.invite("you@example.com", clock.time);
    const before = server.mails.length;
    registration.ask("@acme", "other@example.com");
    const [acme, other] = [codeIn(await mailFor("@acme")), codeIn(await mailFor("@other"))];
    expect(server.mails.slice(before).map(({ to }) => to[0])).toEqual(["you@example.com", "you@example.com"]);
    await registration.activate("@acme", acme);
    await expect(registration.activate("@other", other)).rejects.toMatchObject(refused);
    expect(await store.isInvited("you@example.com")).toBe(false);
    expect(codeIn(await mailFor("@acme"))).not.toBe("");
  });

  it("opens nothing for an address whose invitation was taken back after the mail", async () => {
    const { registration, store, database, clock, mailFor } = await open("invited");
    await store.invite("you@example.com", clock.time);
    const code = codeIn(await mailFor("@acme"));
    await store.forgetInvited("you@example.com");
    expect(await database.selectFrom("activations").selectAll().execute()).toEqual([]);
    await expect(registration.activate("@acme", code)).rejects.toMatchObject(refused);
    await store.invite("you@example.com", clock.time);
    const late = codeIn(await mailFor("@acme"));
    // As a code that was being mailed meanwhile.
    await database.deleteFrom("invited_addresses").execute();
    await expect(registration.activate("@acme", late)).rejects.toMatchObject(refused);
  });

  it("gives two who were mailed codes for one name one account", async () => {
    const { registration, mailFor } = await open();
    const [one, other] = [codeIn(await mailFor("@acme", "a@b")), codeIn(await mailFor("@acme", "c@d"))];
    await registration.activate("@acme", other);
    await expect(registration.activate("@acme", one)).rejects.toMatchObject(refused);
  });
});

describe("registration over HTTP", () => {
  async function start(registration: "closed" | "invited" | "open") {
    const running = await RunningAuthority.start({
      registration,
      mailFrom: "amesh@example.com",
      env: { ...env, AMESH_SMTP_URL: server.url },
    });
    const post = async (path: string, body: unknown) => {
      const answer = await fetch(`${running.url}${path}`, { method: "POST", body: JSON.stringify(body) });
      return { status: answer.status, retry: answer.headers.get("retry-after"), body: await answer.json() };
    };
    return { running, post };
  }

  it("answers alike whatever becomes of it, and before the mail is sent", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = await MailServer.start({ onConnect: (_, done) => void held.then(() => done()) });
    const running = await RunningAuthority.start({
      registration: "open",
      mailFrom: "amesh@example.com",
      env: { ...env, AMESH_SMTP_URL: slow.url },
    });
    await running.authority.state.enrollments.createAccount("@taken");
    for (const account of ["@free", "@TAKEN"]) {
      const body = JSON.stringify({ account, email: `${account.slice(1)}@Example.com` });
      const answer = await fetch(`${running.url}/v1/accounts`, { method: "POST", body });
      expect([answer.status, answer.headers.get("cache-control"), await answer.json()]).toEqual([
        202,
        "no-store",
        { status: "sent" },
      ]);
    }
    expect(slow.mails).toEqual([]);
    release();
    await vi.waitUntil(() => slow.mails.length === 2, 5000);
    expect(slow.mails.map(({ to }) => to[0]).sort()).toEqual(["free@example.com", "taken@example.com"]);
    const free = slow.mails.find(({ to }) => to[0] === "free@example.com");
    const code = free === undefined ? "" : codeIn(free);
    const body = JSON.stringify({ account: "@free", code });
    const answer = await fetch(`${running.url}/v1/accounts/activation`, { method: "POST", body });
    expect(answer.status).toBe(201);
    const { account, secret: opened } = (await answer.json()) as { account: string; secret: string };
    expect([account, isAccountSecret(opened)]).toEqual(["@free", true]);
    const told = JSON.stringify(running.events);
    expect(told).toContain("dev.authmesh.account.created");
    expect(told).not.toContain(opened);
  });

  it("sends nothing where it is closed", async () => {
    const { post } = await start("closed");
    for (const [path, body] of [
      ["/v1/accounts", { account: "@acme", email: "you@example.com" }],
      ["/v1/accounts/activation", { account: "@acme", code: "AAAA-AAAA" }],
    ] as const)
      expect(await post(path, body)).toMatchObject({ status: 403, body: { error: "registration_closed" } });
  });

  it("refuses what is no name and no address, guesses at speed, and a second mail to a mailbox at once", async () => {
    const { post } = await start("open");
    const before = server.mails.length;
    const injected = "you@example.com\r\nBcc: other@example.com";
    expect(await post("/v1/accounts", { account: "@acme", email: injected })).toMatchObject({ status: 400 });
    expect(await post("/v1/accounts", { account: "@a/b", email: "a@b" })).toMatchObject({
      status: 400,
      body: { error: "invalid_enrollment_name" },
    });
    for (const account of ["@acme", "@other"])
      expect((await post("/v1/accounts", { account, email: "you@example.com" })).status).toBe(202);
    expect((await server.after(before)).source).toContain("@acme");
    const answers = [];
    for (let i = 0; i < 3; i++)
      answers.push(await post("/v1/accounts/activation", { account: "@acme", code: "x" }));
    expect(answers.map(({ status }) => status)).toEqual([401, 429, 429]);
    expect(Number(answers[2]?.retry)).toBeGreaterThan(0);
    expect(server.mails.length).toBe(before + 1);
  });

  it("does not start without a mail server or a sender", async () => {
    const dir = temporaryFolder();
    const options = { dir, env, registration: "open", logger: silent } as const;
    await expect(createAuthority(options)).rejects.toThrow(TypeError);
    await expect(createAuthority({ ...options, mailFrom: "a@b\nc" })).rejects.toThrow(TypeError);
    await expect(createAuthority({ ...options, mailFrom: "a@b" })).rejects.toMatchObject({
      code: "invalid_option",
    });
  });
});
