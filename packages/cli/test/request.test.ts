import { writeFileSync } from "node:fs";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { PublicKey } from "@authmesh/core";
import { type AuthenticatedRequest, type Logger, verify } from "@authmesh/sdk";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const caller = new TestMachine();
const callee = new TestMachine();
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
let api: Server;
let url: string;
let callerId: string;

async function serve(listener: RequestListener): Promise<[server: Server, origin: string]> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return [server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`];
}

/** A server with an answer of its own. */
async function answering(listener: RequestListener): Promise<string> {
  const [server, origin] = await serve(listener);
  onTestFinished(() => void server.close());
  return origin;
}

beforeAll(async () => {
  const identity = await caller.init("Dev Laptop");
  callerId = identity.deviceId;
  await callee.init("api");
  await callee.trust(identity.friendlyName, { publicKey: PublicKey.fromBase64(identity.publicKey) });
  const list = await callee.openList();
  const routes = {
    "/": verify({ allowList: list, audience: "127.0.0.1", logger: silent }),
    "/orders": verify({ allowList: list, logger: silent }),
    "/scoped": verify({ allowList: list, scope: "orders:w", logger: silent }),
  };
  [api, url] = await serve((request, response) => {
    const guard = routes[request.url?.split("?")[0] as keyof typeof routes] ?? routes["/orders"];
    guard(request, response, () => {
      const { method, url, headers } = request;
      const { rawBody, authMesh } = request as AuthenticatedRequest & { rawBody?: Buffer };
      if (url === "/orders/absent") response.writeHead(404);
      response.end(
        JSON.stringify({
          method,
          url,
          type: headers["content-type"],
          trace: headers["x-trace"],
          body: rawBody?.toString("hex"),
          from: authMesh.friendlyName,
        }),
      );
    });
  });
});
afterAll(() => {
  api.close();
  caller.remove();
  callee.remove();
});

const request = (args: readonly string[], input?: string) =>
  caller.run(["request", ...args], input === undefined ? {} : { input });

describe("amesh request", () => {
  it("signs and prints the answer's body, and nothing else", async () => {
    const { status, stdout, stderr } = await request([
      "get",
      `${url}/orders?b=2&a=1`,
      "--header",
      "X-Trace: 7",
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(JSON.parse(stdout)).toEqual({
      method: "GET",
      url: "/orders?b=2&a=1",
      trace: "7",
      from: "Dev Laptop",
    });
  });

  it.each([
    ["JSON", '{"amount":100}', "application/json"],
    ["text", "hello", "text/plain;charset=UTF-8"],
  ])("sends %s with the type that fits", async (_, data, type) => {
    const { stdout } = await request(["POST", `${url}/orders`, "--data", data]);
    expect(JSON.parse(stdout)).toMatchObject({ type, body: Buffer.from(data).toString("hex") });
  });

  it("sends a file or standard input byte for byte", async () => {
    const path = join(caller.folder, "photo");
    writeFileSync(path, Buffer.of(0xff, 0x00, 0x0a));
    const file = await request(["PUT", `${url}/orders`, "--data", `@${path}`]);
    expect(JSON.parse(file.stdout)).toMatchObject({ type: "application/octet-stream", body: "ff000a" });
    const args = ["POST", `${url}/orders`, "--data", "-", "--header", "content-type: text/csv"];
    const piped = await request(args, "a,b\n");
    expect(JSON.parse(piped.stdout)).toMatchObject({
      type: "text/csv",
      body: Buffer.from("a,b\n").toString("hex"),
    });
  });

  it("answers in JSON", async () => {
    const answer = documentOf(await request(["GET", `${url}/orders`, "--json"]));
    expect(answer).toMatchObject({ status: 200, headers: { date: expect.any(String) } });
    expect(JSON.parse(answer.body)).toMatchObject({ from: "Dev Laptop" });
    const bytes = await answering((_, response) => response.end(Buffer.of(0xff)));
    expect(documentOf(await request(["GET", bytes, "--json"]))).toMatchObject({ bodyBase64: "/w==" });
  });

  it("says of a refusal what can be known from here", async () => {
    const { status, stdout, stderr } = await request(["GET", url]);
    expect(status).toBe(3);
    expect(stdout).toBe('{"error":"unauthorized"}');
    const { host } = new URL(url);
    expect(stderr).toMatch(new RegExp(`Signed by +: "Dev Laptop" \\(${callerId}\\)`));
    expect(stderr).toMatch(new RegExp(`Bound to +: ${host}`));
    expect(stderr).toMatch(/Decision +: "[^"]+"/);
    expect(stderr).toMatch(/Clock here +: agrees with the server's/);
    expect(stderr).toMatch(/amesh: error: The server answered 401\. .* \(unauthorized\)/);
    expect(stderr).toContain(
      `\`amesh list\` must show ${callerId} as [controller] and its audience must name ${host}`,
    );
    const document = documentOf(await request(["GET", url, "--json"]));
    expect(document).toMatchObject({
      status: 401,
      error: { code: "unauthorized" },
      signedBy: callerId,
      decision: expect.any(String),
      clockAheadSeconds: expect.any(Number),
    });
  });

  it("names the scope that is missing", async () => {
    const { status, stderr } = await request(["GET", `${url}/scoped`]);
    expect(status).toBe(3);
    expect(stderr).toMatch(/\(scope_missing\)\namesh: hint: .*amesh grant/);
  });

  it("says when to try again, where the server says so", async () => {
    const forgot = await answering((_, response) => {
      response.writeHead(503, { "AuthMesh-Decision": "d-1", "Retry-After": "41" });
      response.end('{"error":"replay_store_unavailable"}');
    });
    const { status, stderr } = await request(["GET", forgot]);
    expect(status).toBe(5);
    expect(stderr).toMatch(/lost its memory.*\(replay_store_unavailable\)\namesh: hint: Try again in 41 s/);
    const document = documentOf(await request(["GET", forgot, "--json"]));
    expect(document).toMatchObject({ retryAfterSeconds: 41 });
  });

  it("suspects the clock when the server's is far off", async () => {
    const late = await answering((_, response) => {
      const headers = { "AuthMesh-Decision": "d-1", Date: new Date(Date.now() + 100_000).toUTCString() };
      response.writeHead(401, headers).end('{"error":"unauthorized"}');
    });
    const { status, stderr } = await request(["GET", late]);
    expect(status).toBe(3);
    expect(stderr).toMatch(/Clock here +: (99|100|101) s behind the server's; 30 s are tolerated/);
    expect(stderr).toMatch(/amesh: hint: Set both clocks by NTP/);
  });

  it("tells an answer of the service from a refusal by amesh", async () => {
    const absent = await request(["GET", `${url}/orders/absent`]);
    expect(absent.status).toBe(1);
    expect(absent.stderr).toMatch(/The server answered 404\. .* \(service_error\)/);
    const other = await answering((_, response) => response.writeHead(401).end('{"error":"unauthorized"}'));
    const foreign = await request(["GET", other]);
    expect(foreign.status).toBe(1);
    expect(foreign.stderr).toContain("(service_error)");
  });

  it("shows a terminal nothing that would move its cursor", async () => {
    const hostile = await answering((_, response) => response.end("\u001b[2Jred\u202e\n"));
    const { status, screen } = await caller.runInTerminal(["request", "GET", hostile]);
    expect(status).toBe(0);
    expect(screen).toContain("\\u{1b}[2Jred\\u{202e}");
    expect(screen).not.toContain("\u001b");
    expect((await request(["GET", hostile])).stdout).toBe("\u001b[2Jred\u202e\n");
  });

  it("does not follow a redirect elsewhere", async () => {
    const elsewhere = await answering((_, response) => response.writeHead(302, { Location: url }).end());
    expect(await request(["GET", elsewhere])).toEqual({
      status: 1,
      ...failed("redirect_refused", "other origin"),
    });
  });

  it("says that nothing answers, or not in time", async () => {
    const nobody = await request(["GET", "http://127.0.0.1:9/"]);
    expect(nobody).toEqual({ status: 5, ...failed("service_unreachable", "Check the URL") });
    const mute = await answering(() => {});
    const late = await request(["GET", mute, "--timeout", "1"]);
    expect(late.status).toBe(5);
    expect(late.stderr).toMatch(/no answer in time\. \(service_unreachable\)/);
  });

  it.each([
    ["a path without a host", ["GET", "/orders"]],
    ["another protocol", ["GET", "ftp://127.0.0.1/"]],
    ["a body on GET", ["GET", "http://127.0.0.1:9/", "--data", "x"]],
    ["a header without a value", ["GET", "http://127.0.0.1:9/", "--header", "X-Trace"]],
    ["a header that is two", ["GET", "http://127.0.0.1:9/", "--header", "X: 1\r\nY: 2"]],
    ["a proof of one's own", ["GET", "http://127.0.0.1:9/", "--header", "authorization: Bearer x"]],
    ["a method that is none", ["GET IT", "http://127.0.0.1:9/"]],
    ["a method that is not for clients", ["TRACE", "http://127.0.0.1:9/"]],
    ["a password in the URL", ["GET", "http://user:secret@127.0.0.1:9/"]],
    ["a time that never comes", ["GET", "http://127.0.0.1:9/", "--timeout", "0"]],
  ])("refuses %s", async (_, args) => {
    const result = await request([...args, "--json"]);
    expect(result.status).toBe(2);
    expect(documentOf(result).error.code).toBe("invalid_option");
    expect(result.stdout).not.toContain("secret");
  });

  it("needs an identity", async () => {
    const stranger = new TestMachine();
    onTestFinished(() => stranger.remove());
    expect(await stranger.run(["request", "GET", url])).toEqual({
      status: 4,
      ...failed("identity_not_found", "amesh init"),
    });
  });
});
