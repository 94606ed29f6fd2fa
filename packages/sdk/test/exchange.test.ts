import type { ServerResponse } from "node:http";
import { AmeshError } from "@authmesh/core";
import { exchangeToken, obtainJobToken } from "@authmesh/sdk/exchange";
import fc from "fast-check";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { HttpServer } from "../../oath/test/fixtures/http-server.js";

type Answer = (response: ServerResponse) => void;

let service: HttpServer;
beforeEach(async () => {
  service = await HttpServer.start((response) => void response.end(), onTestFinished);
});

const exchanging = (authority = service.url) =>
  exchangeToken({ authority, oidcToken: "a.b.c", audience: "https://api.example", action: "orders.write" });
const runner = (url = `${service.url}/idtoken?api-version=2.0`) => ({
  ACTIONS_ID_TOKEN_REQUEST_URL: url,
  ACTIONS_ID_TOKEN_REQUEST_TOKEN: "runner-secret",
});
const asking = (env: Record<string, string>, variable?: string) =>
  obtainJobToken({ audience: "https://authority.example", env, variable });

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(error).toBeInstanceOf(AmeshError);
  return (error as AmeshError).code;
}

const granted = {
  access_token: "a.b.c",
  issued_token_type: "urn:ietf:params:oauth:token-type:jwt",
  token_type: "OathMesh",
  expires_in: 120,
};
const answering =
  (status: number, body: string, headers: Record<string, string> = {}): Answer =>
  (response) =>
    void response.writeHead(status, headers).end(body);

describe("the exchange of a job's ID token", () => {
  it("gives the token that the authority answers with", async () => {
    service.answer = answering(200, JSON.stringify({ ...granted, scope: "orders:read orders:write" }));
    expect(await exchanging(`${service.url}/`)).toEqual({
      token: "a.b.c",
      expiresInSeconds: 120,
      scope: ["orders:read", "orders:write"],
    });
    expect(service.asked).toEqual(["/v1/token/exchange"]);
  });

  it.each<[kind: string, answer: Answer]>([
    ["an error page", answering(500, "<html>")],
    ["a redirect", answering(307, "", { location: "/elsewhere" })],
    ["a token for another scheme", answering(200, JSON.stringify({ ...granted, token_type: "Bearer" }))],
    ["a token of several lines", answering(200, JSON.stringify({ ...granted, access_token: "a.b.c\nd" }))],
    ["something else than an object", answering(200, "null")],
    ["more than it may", answering(200, "x".repeat(70_000))],
    ["an error that is none of ours", answering(400, '{"error":"invalid_grant"}')],
    ["an error that is none of its own", answering(400, '{"error":"__proto__"}')],
  ])("believes nothing of a service that answers with %s", async (_, answer) => {
    service.answer = answer;
    expect(await codeOf(exchanging())).toBe("service_error");
    expect(service.asked).toEqual(["/v1/token/exchange"]);
  });

  it("raises what the authority refuses with, in its words where they are fit to be shown", async () => {
    const refusal = {
      error: "exchange_denied",
      detail: "No rule grants it (deploy: its ref is x).",
      fix: "\u001b[2J",
    };
    service.answer = answering(403, JSON.stringify(refusal));
    const error = await exchanging().catch((error: AmeshError) => error);
    expect(error).toMatchObject({ code: "exchange_denied", message: refusal.detail });
    expect((error as AmeshError).fix).not.toContain("\u001b");
  });

  it("shows an ID token to nobody over a line that others read", async () => {
    expect(await codeOf(exchanging("http://authority.example"))).toBe("invalid_option");
    expect(await codeOf(exchanging("authority.example"))).toBe("invalid_option");
  });

  it("is refused by name or done, whatever the service answers", async () => {
    const member = fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(granted)));
    const members = { access_token: member, expires_in: member, scope: member, error: member };
    const body = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record(members).map((changes) => JSON.stringify({ ...granted, ...changes })),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(200, 400, 403, 503), body, async (status, text) => {
        service.answer = answering(status, text);
        await exchanging().catch((error: unknown) => expect(error).toBeInstanceOf(AmeshError));
      }),
      { numRuns: 50 },
    );
  });
});

describe("the ID token of a job", () => {
  it("is asked of GitHub for the authority alone", async () => {
    service.answer = (response, { headers }) =>
      void response.end(
        JSON.stringify({ value: headers.authorization === "Bearer runner-secret" ? "i.d.t" : "" }),
      );
    expect(await asking(runner())).toBe("i.d.t");
    expect(service.asked).toEqual(["/idtoken?api-version=2.0&audience=https%3A%2F%2Fauthority.example"]);
  });

  it("is taken out of a variable first", async () => {
    expect(await asking({ ...runner(), AMESH_ID_TOKEN: "i.d.t\n" })).toBe("i.d.t");
    expect(await asking({ ...runner(), MINE: "m.i.n" }, "MINE")).toBe("m.i.n");
    expect(await codeOf(asking(runner(), "MINE"))).toBe("oidc_token_unavailable");
    expect(service.asked).toEqual([]);
  });

  it("is asked for at that one place, and the runner's secret goes nowhere else", async () => {
    const elsewhere = await HttpServer.start(answering(200, "{}"), onTestFinished);
    service.answer = answering(302, "", { location: elsewhere.url });
    expect(await codeOf(asking(runner()))).toBe("service_error");
    expect(elsewhere.asked).toEqual([]);
    expect(await codeOf(asking(runner("http://runner.example/idtoken")))).toBe("oidc_token_unavailable");
  });

  it.each([["{}"], ["[]"], ['{"value":7}'], ['{"value":""}'], ["<html>"]])(
    "is not there when GitHub answers %s",
    async (body) => {
      service.answer = answering(200, body);
      expect(await codeOf(asking(runner()))).toBe("service_error");
    },
  );
});
