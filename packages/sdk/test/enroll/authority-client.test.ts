import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { AmeshError, randomBytes } from "@authmesh/core";
import { newAccountSecret } from "@authmesh/core/enrollment";
import { createIdentity, readEnrollment, withEnrollment } from "@authmesh/keystore";
import {
  activate,
  approveEnrollment,
  authenticate,
  createInvitation,
  extendEnrollment,
  listEnrollments,
  onboard,
  register,
  rememberedEnrollment,
  requestEnrollment,
  showEnrollment,
  waitForEnrollment,
  watchEnrollments,
} from "@authmesh/sdk/enroll";
import fc from "fast-check";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { codeOf } from "../../../../test/fixtures/code-of.js";
import { type Answer, HttpServer, json } from "../../../oath/test/fixtures/http-server.js";
import { newFolder, toldEnrollment } from "./scene.js";

let service: HttpServer;
beforeEach(async () => {
  service = await HttpServer.start((response) => void response.end(), onTestFinished);
});

const challenge = "A".repeat(64);
const id = "en_0123456789abcdef";

/** Answers by path; of a path that is not there, 404. */
const serve =
  (answers: Readonly<Record<string, Answer>>): Answer =>
  (response, request) => {
    const answer = answers[request.url ?? ""];
    if (answer === undefined) response.writeHead(404).end();
    else answer(response, request);
  };

const answering =
  (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(body);

const problem = (status: number, error: string, more: object = {}): Answer =>
  answering(status, JSON.stringify({ status, error, ...more }));

const events = (...texts: string[]): Answer =>
  answering(200, texts.join(""), { "content-type": "text/event-stream" });

/** A machine with an identity. */
async function machine() {
  const folder = newFolder();
  await createIdentity({ friendlyName: "box", ...folder });
  return { ...folder, authority: service.url };
}

/** What a machine that asks to be enrolled gives. */
const wish = {
  account: "@acme",
  appName: "orders",
  deviceName: "box",
  scopes: { orders: "r" },
  passcode: "AAAAAA",
} as const;

const registering = (authority = service.url) =>
  register({ authority, account: "@acme", email: "a@example.com" });

describe("what an authority would refuse", () => {
  it.each([1, 30, 1e9, 1.5, Number.NaN])(
    "is a lifetime of %d s: nothing of it is sent or kept",
    async (lifetimeSeconds) => {
      const folder = newFolder();
      const asking = { ...folder, authority: service.url, lifetimeSeconds };
      for (const asked of [
        () => requestEnrollment({ ...asking, ...wish }),
        () => createInvitation({ ...asking, scopes: wish.scopes }),
        () => approveEnrollment({ ...asking, id }),
        () => extendEnrollment({ ...asking, id }),
      ])
        await expect(asked()).rejects.toMatchObject({
          code: "invalid_option",
          fix: expect.stringContaining("3650d"),
        });
      expect(service.asked).toEqual([]);
      expect(existsSync(folder.dir)).toBe(false);
    },
  );

  it("is a number of uses and a mail address that are none", async () => {
    for (const uses of [0, 10_001, -1])
      expect(await codeOf(createInvitation({ ...newFolder(), scopes: wish.scopes, uses }))).toBe(
        "invalid_option",
      );
    for (const email of ["ops", "a b@example.com", ""])
      expect(await codeOf(register({ authority: service.url, account: "@acme", email }))).toBe(
        "invalid_option",
      );
    expect(service.asked).toEqual([]);
  });
});

describe("what asks an authority", () => {
  it.each([
    "http://issuer.example.com",
    "ftp://127.0.0.1",
    "issuer.example.com",
    "https://user@issuer.example.com",
    "https://issuer.example.com/?a=1",
    "",
  ])("goes to no place such as %j", async (authority) => {
    expect(await codeOf(registering(authority))).toBe("invalid_option");
  });

  it("goes below the path of a URL, and follows no redirect", async () => {
    service.answer = answering(307, "", { location: "/elsewhere" });
    expect(await codeOf(registering(`${service.url}/issuer/`))).toBe("service_error");
    expect(service.asked).toEqual(["/issuer/v1/accounts"]);
  });

  it("tells a refusal by its code, with the authority's own words, made fit to be shown", async () => {
    service.answer = problem(403, "registration_closed", { detail: "Not\n\u001b[31mhere", fix: "Ask." });
    const refused = registering();
    await expect(refused).rejects.toBeInstanceOf(AmeshError);
    await expect(refused).rejects.toMatchObject({
      code: "registration_closed",
      message: "Not [31mhere",
      fix: "Ask.",
    });
  });

  it.each<[kind: string, answer: Answer, code: string]>([
    ["an error page of a proxy", answering(502, "<html>"), "service_unreachable"],
    ["a page of another server", answering(404, "<html>"), "service_error"],
    ["a code that nobody knows", problem(400, "constructor"), "service_error"],
    ["more than anybody has to say", answering(200, " ".repeat(17 << 20)), "service_error"],
    ["nothing, and hangs up", (response) => void response.destroy(), "service_unreachable"],
  ])("calls %s what it is", async (_, answer, code) => {
    service.answer = answer;
    expect(await codeOf(registering())).toBe(code);
  });

  it("is over when its signal is", async () => {
    service.answer = () => {};
    const ending = new AbortController();
    const asked = register({
      authority: service.url,
      account: "@acme",
      email: "a@example.com",
      signal: ending.signal,
    });
    ending.abort(new RangeError("enough"));
    await expect(asked).rejects.toThrow("enough");
  });

  it("takes names in one form alone", async () => {
    for (const account of ["acme", "@a", "@acme!", "@acme/other", ""])
      expect(await codeOf(register({ authority: service.url, account, email: "a@example.com" }))).toBe(
        "invalid_enrollment_name",
      );
    expect(service.asked).toEqual([]);
  });

  it("knows no authority before it was enrolled", async () => {
    const { authority: _, ...folder } = await machine();
    expect(await codeOf(authenticate(folder))).toBe("input_required");
    expect(await codeOf(showEnrollment(folder))).toBe("input_required");
    expect(rememberedEnrollment(folder)).toBeUndefined();
  });

  it("is an error of the catalogue or a result, whatever is answered", async () => {
    const folder = await machine();
    const body = fc.oneof(
      fc.json({ maxDepth: 2 }),
      fc
        .record({ enrollments: fc.array(fc.constant(toldEnrollment())), next: fc.string() })
        .map((page) => JSON.stringify(page)),
      fc
        .dictionary(fc.constantFrom(...Object.keys(toldEnrollment())), fc.jsonValue())
        .map((other) => JSON.stringify({ ...toldEnrollment(), ...other })),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(200, 201, 400, 401, 503), body, async (status, text) => {
        service.answer = (response, request) =>
          answering(request.url?.includes("after=") ? 404 : status, text)(response, request);
        await codeOf(showEnrollment(folder));
        await codeOf(listEnrollments(folder).next());
        await codeOf(activate({ authority: service.url, account: "@acme", code: "x" }));
        await codeOf(authenticate(folder));
      }),
      { numRuns: 25 },
    );
  });
});

describe("an answer to a challenge", () => {
  it("has its counter on the disk before the authority sees it, and a higher one each time", async () => {
    const folder = await machine();
    const seen: number[] = [];
    service.answer = serve({
      "/v1/challenges": json({ challenge, expiresIn: 60 }),
      "/v1/authentication": (response, request) => {
        request.setEncoding("utf8").on("data", (text: string) => {
          const { answer } = JSON.parse(text);
          expect(readEnrollment(folder.dir).counter).toBe(answer.counter);
          seen.push(answer.counter);
          problem(503, "database_unavailable")(response, request);
        });
      },
    });
    for (let i = 0; i < 3; i++) expect(await codeOf(authenticate(folder))).toBe("database_unavailable");
    expect(seen).toEqual([1, 2, 3]);
  });

  it("is noted when the authority knows the enrollment no more, and nothing else is, until it is known again", async () => {
    const folder = await machine();
    const enrollment = { authority: service.url, account: "@acme", id, appName: "orders", deviceName: "box" };
    const remembered = { ...enrollment, status: "revoked" as const };
    await withEnrollment(folder.dir, ({ record, save }) => save({ ...record, enrollment: remembered }));
    const asks = async (answer: Answer, authority = service.url) => {
      service.answer = serve({
        "/v1/challenges": json({ challenge, expiresIn: 60 }),
        "/v1/authentication": answer,
      });
      await authenticate({ ...folder, authority }).catch(() => {});
      return rememberedEnrollment({ dir: folder.dir });
    };
    const refusal = problem(401, "challenge_refused");
    for (const [answer, at] of [
      [problem(401, "challenge_refused", { detail: "Two machines have the key." }), service.url],
      [problem(503, "database_unavailable"), service.url],
      [refusal, service.url.replace("127.0.0.1", "localhost")],
    ] as const)
      expect(await asks(answer, at)).toEqual(remembered);
    expect(await asks(refusal)).toEqual({ ...remembered, refused: true });
    expect(await asks(problem(503, "database_unavailable"))).toMatchObject({ refused: true });
    expect(await asks(problem(403, "enrollment_revoked"))).toEqual(remembered);
  });

  it("is brought to its end when nobody waits for it any more, before the next one begins", async () => {
    const folder = await machine();
    const held: (() => void)[] = [];
    let arrived = () => {};
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    service.answer = serve({
      "/v1/challenges": json({ challenge, expiresIn: 60 }),
      "/v1/authentication": (response, request) => {
        held.push(() => problem(403, "enrollment_denied")(response, request));
        arrived();
      },
    });
    const ending = new AbortController();
    const first = authenticate({ ...folder, signal: ending.signal });
    await arrival;
    ending.abort(new RangeError("enough"));
    await expect(first).rejects.toThrow("enough");
    expect(existsSync(join(folder.dir, "enrollment", "lock"))).toBe(true);
    const second = authenticate(folder);
    service.answer = serve({
      "/v1/challenges": json({ challenge, expiresIn: 60 }),
      "/v1/authentication": problem(403, "enrollment_pending"),
    });
    held[0]?.();
    expect(await codeOf(second)).toBe("enrollment_pending");
    expect(service.asked).toHaveLength(4);
  });
});

const waiting = "/v1/enrollments/wait";
const status = (value: string, more: object = {}) =>
  `event: status\ndata: ${JSON.stringify({ id, status: value, ...more })}\n\n`;

describe("waiting for a decision", () => {
  const answers = (...told: Answer[]): Answer =>
    serve({
      "/v1/challenges": json({ challenge, expiresIn: 60 }),
      [waiting]: (response, request) => (told.length > 1 ? told.shift() : told[0])?.(response, request),
    });
  const times = () => service.asked.filter((path) => path === waiting).length;

  it.each(["approved", "denied", "expired", "revoked"] as const)(
    "ends with %s, as it is streamed",
    async (outcome) => {
      const folder = await machine();
      service.answer = answers(
        events(":\n\n", status("pending"), "event: other\ndata: {}\n\n", status(outcome, { reason: "so" })),
      );
      expect(await waitForEnrollment(folder)).toEqual({ id, status: outcome, reason: "so" });
      expect(times()).toBe(1);
    },
  );

  it("asks again where nothing is streamed, a stream is cut, a proxy is in between, or too many ask", async () => {
    const folder = await machine();
    service.answer = answers(
      json({ id, status: "pending" }),
      events(status("pending")),
      (response) => void response.destroy(),
      answering(502, "<html>"),
      problem(429, "rate_limited"),
      problem(503, "database_unavailable"),
      json({ id, status: "approved", scopes: { orders: "rw" }, expiresAt: 1_900_000_000 }),
    );
    expect(await waitForEnrollment({ ...folder, pollMs: 1 })).toMatchObject({
      status: "approved",
      scopes: { orders: "rw" },
    });
    // After a stream that tells nothing, it asks at once.
    expect(times()).toBe(7);
  });

  it("polls where every stream is refused", async () => {
    const folder = await machine();
    const told = ["pending", "denied"];
    service.answer = answers((response, request) => {
      const isStream = request.headers.accept?.includes("text/event-stream");
      const answer = isStream ? problem(429, "rate_limited") : json({ id, status: told.shift() });
      answer(response, request);
    });
    expect(await waitForEnrollment({ ...folder, pollMs: 1 })).toEqual({ id, status: "denied" });
    expect(times()).toBe(4);
  });

  it.each<[string, Answer, string]>([
    ["refuses the answer", problem(401, "challenge_refused"), "challenge_refused"],
    ["is none", answering(200, "<html>"), "service_error"],
    ["tells what is no status", events('event: status\ndata: {"id":1}\n\n'), "service_error"],
    [
      "streams no text",
      answering(200, "\u{fffd}".repeat(4 << 20), { "content-type": "text/event-stream" }),
      "service_error",
    ],
  ])("throws where the authority %s", async (_, answer, code) => {
    const folder = await machine();
    service.answer = answers(answer);
    expect(await codeOf(waitForEnrollment({ ...folder, pollMs: 1 }))).toBe(code);
  });

  it("is over when its signal is: while the authority is silent, and between two questions", async () => {
    const folder = await machine();
    const first = new AbortController();
    service.answer = answers((response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write(status("pending"));
      first.abort(new RangeError("enough"));
    });
    await expect(waitForEnrollment({ ...folder, signal: first.signal })).rejects.toThrow("enough");
    const second = new AbortController();
    service.answer = answers(json({ id, status: "pending" }));
    const asked = waitForEnrollment({ ...folder, signal: second.signal, pollMs: 3_600_000 });
    await expect.poll(times).toBe(2);
    second.abort(new RangeError("enough"));
    await expect(asked).rejects.toThrow("enough");
  });
});

describe("watching", () => {
  const path = "/v1/enrollments/events";
  const told = (value: string) =>
    `event: enrollment\ndata: ${JSON.stringify(toldEnrollment({ status: value }))}\n\n`;

  it("says once that the connection is lost, and when there is one again", async () => {
    const folder = await machine();
    const away = problem(503, "database_unavailable");
    const answers = [events(told("pending")), away, away, events(told("approved"))];
    service.answer = serve({ [path]: (response, request) => (answers.shift() ?? away)(response, request) });
    const said: string[] = [];
    const watching = watchEnrollments({ ...folder, retryMs: 1, onConnection: (state) => said.push(state) });
    await watching.next();
    expect(said).toEqual([]);
    await watching.next();
    expect(said).toEqual(["lost", "back"]);
    await watching.return();
  });

  it("tells every change, over connections that are cut, until its signal is over", async () => {
    const folder = await machine();
    const texts = [told("pending"), `${told("approved")}:\n\n${told("revoked")}`];
    service.answer = serve({ [path]: (response, request) => events(texts.shift() ?? "")(response, request) });
    const ending = new AbortController();
    const seen: string[] = [];
    for await (const { status } of watchEnrollments({ ...folder, signal: ending.signal, retryMs: 1 })) {
      seen.push(status);
      if (seen.length === 3) ending.abort();
    }
    expect(seen).toEqual(["pending", "approved", "revoked"]);
  });

  it("throws where the first connection fails, or a later one is refused", async () => {
    const folder = await machine();
    await service.stop();
    expect(await codeOf(watchEnrollments(folder).next())).toBe("service_unreachable");
    await service.start();
    const answers = [events(""), problem(503, "database_unavailable"), problem(401, "unauthorized")];
    service.answer = serve({ [path]: (response, request) => answers.shift()?.(response, request) });
    await expect(watchEnrollments({ ...folder, retryMs: 1 }).next()).rejects.toMatchObject({
      code: "unauthorized",
      fix: expect.stringContaining("amesh login"),
    });
    expect(answers).toEqual([]);
  });
});

describe("what is refused before anything is sent", () => {
  const names = () => ({
    ...newFolder(),
    authority: service.url,
    account: "@acme",
    appName: "orders",
    deviceName: "box-1",
  });

  it("is a secret or a code that is none, and a request without grants or passcode", async () => {
    expect(await codeOf(onboard({ ...names(), secret: "amesh_once_short" }))).toBe("onboarding_refused");
    expect(await codeOf(requestEnrollment({ ...names(), scopes: {} }))).toBe("invalid_scope");
    expect(await codeOf(requestEnrollment({ ...names(), scopes: { "Orders!": "rw" } }))).toBe(
      "invalid_scope",
    );
    expect(await codeOf(requestEnrollment({ ...names(), scopes: { orders: "rw" } }))).toBe("input_required");
    expect(await codeOf(requestEnrollment({ ...names(), appName: "..", scopes: { orders: "rw" } }))).toBe(
      "invalid_enrollment_name",
    );
    expect(service.asked).toEqual([]);
  });

  it("never holds the secret of the account", async () => {
    const secret = newAccountSecret(randomBytes);
    const sent: string[] = [];
    service.answer = (response, request) => {
      request.setEncoding("utf8").on("data", (text: string) => sent.push(text));
      request.on("end", () =>
        serve({
          "/v1/challenges": json({ challenge, expiresIn: 60 }),
          "/v1/onboarding": json({ enrollment: toldEnrollment() }),
        })(response, request),
      );
    };
    const options = names();
    const { recoveryCodes } = await onboard({ ...options, secret });
    expect(recoveryCodes).toHaveLength(8);
    const kept = readFileSync(join(options.dir, "enrollment", "enrollment.json"), "utf8");
    for (const hidden of [secret, ...recoveryCodes]) {
      expect(sent.join()).not.toContain(hidden);
      expect(kept).not.toContain(hidden);
    }
    expect(rememberedEnrollment(options)).toEqual({
      authority: service.url,
      account: "@acme",
      id,
      appName: "orders",
      deviceName: "box-1",
      status: "approved",
    });
  });
});
