import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { PublicKey } from "@authmesh/core";
import { type ClientIdentity, type Logger, type VerifyOptions, verify } from "@authmesh/sdk";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { caddy, nginx, type RunningProxy } from "../../sdk/test/fixtures/proxies.js";
import { examineService, type ServiceExamination } from "../src/doctor/service/examine-service.js";
import type { NamedFinding } from "../src/finding.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const caller = new TestMachine();
const callee = new TestMachine();
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const reached: string[] = [];
let list: VerifyOptions["allowList"];
let signer: ClientIdentity;

beforeAll(async () => {
  const identity = await caller.init("Dev Laptop");
  await callee.init("api");
  await callee.trust(identity.friendlyName, { publicKey: PublicKey.fromBase64(identity.publicKey) });
  list = await callee.openList();
  signer = await caller.open();
});
afterAll(() => {
  caller.remove();
  callee.remove();
});

async function listen(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A service that verifies every request. @returns its host */
function serve(options: VerifyOptions = {}): Promise<string> {
  const guard = verify({ ...(list && { allowList: list }), logger: silent, ...options });
  return listen((request, response) =>
    guard(request, response, () => {
      reached.push(`${request.method} ${request.url}`);
      response.writeHead(404).end();
    }),
  );
}

/** What doctor found, by its checks. */
async function examine(address: string, options: Partial<ServiceExamination> = {}) {
  const findings: Record<string, NamedFinding & { readonly decision?: string }> = {};
  const url = new URL(address);
  const examination = { url, upstreams: [], method: "REPORT", identity: signer, ...options };
  for await (const finding of examineService(examination)) findings[finding.check] = finding;
  return findings;
}

const verdictsOf = (findings: Record<string, NamedFinding>) =>
  Object.fromEntries(Object.entries(findings).map(([check, { verdict }]) => [check, verdict]));

const allWell = {
  Verifier: "OK",
  Authorization: "OK",
  Clock: "OK",
  Host: "OK",
  Path: "OK",
  "Session keys": "OK",
  HEAD: "OK",
  Query: "OK",
  "Encoded path": "OK",
  Slashes: "OK",
  "Slash at the end": "OK",
  Body: "OK",
  "Large body": "OK",
};

type Start = (upstream: string) => Promise<RunningProxy>;
const nginxWith =
  (directives: (upstream: string) => string, http = ""): Start =>
  (upstream) =>
    nginx(directives(upstream), onTestFinished, http);
const caddyWith =
  (site: (upstream: string) => string): Start =>
  (upstream) =>
    caddy(site(upstream), onTestFinished);

const throughNginx = (directives: string): Start =>
  nginxWith(
    (up) =>
      `client_max_body_size 2m; location / { proxy_set_header Host $http_host; proxy_pass http://${up}; ${directives} }`,
  );
const throughCaddy = (directives: string): Start =>
  caddyWith((up) => `reverse_proxy ${up} {\n ${directives}\n }`);

describe("amesh doctor URL finds nothing", () => {
  it.each<[string, Start]>([
    ["without a proxy", async (host) => ({ url: `http://${host}`, host })],
    ["behind nginx that keeps the request", throughNginx("")],
    ["behind Caddy that keeps the request", throughCaddy("")],
  ])("%s", async (_, start) => {
    const { url } = await start(await serve());
    expect(verdictsOf(await examine(`${url}/api/orders`))).toEqual(allWell);
  });

  it("where the service was told what its proxy does", async () => {
    const start = caddyWith((up) => `handle_path /api/* {\n reverse_proxy ${up}\n }`);
    const { url } = await start(await serve({ pathPrefix: "/api" }));
    expect(verdictsOf(await examine(`${url}/api/orders`))).toEqual({
      ...allWell,
      // Caddy merges them whenever it takes something off a path.
      Slashes: "WARN",
    });
  });

  it("reaches no handler but by safe methods, at the URL and where there is nothing", async () => {
    const host = await serve();
    reached.length = 0;
    await examine(`http://${host}/orders`);
    for (const line of reached)
      expect(line).toMatch(/^(GET|HEAD|REPORT) \/orders(\?b=2.*|\/amesh(-|\/\/|%2F)doctor.*)?$/);
  });

  it("and says so to people, and to programs", async () => {
    const host = await serve();
    const document = documentOf(await caller.run(["doctor", `http://${host}/`, "--json"]));
    expect([
      document.healthy,
      verdictsOf(Object.fromEntries(document.checks.map((found: NamedFinding) => [found.check, found]))),
    ]).toEqual([true, allWell]);
    const { status, stdout, stderr } = await caller.run(["doctor", `http://${host}/`]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^OK {4}Verifier {10}amesh verifies http:/);
    expect(stdout.trimEnd().split("\n")).toHaveLength(13);
  });
});

describe("amesh doctor URL finds", () => {
  it.each<[string, Start, VerifyOptions, string, "FAIL" | "WARN", RegExp, RegExp]>([
    [
      "a Host that nginx replaces by its upstream's",
      nginxWith((up) => `location / { proxy_pass http://${up}; }`),
      {},
      "Host",
      "FAIL",
      /Callers sign for 127\.0\.0\.1:\d+; the service expects 127\.0\.0\.1:\d+\./,
      /audience.*proxy_set_header Host \$http_host/,
    ],
    [
      "a Host that Caddy replaces by its upstream's",
      throughCaddy("header_up Host {upstream_hostport}"),
      {},
      "Host",
      "FAIL",
      /the service expects/,
      /header_up Host/,
    ],
    [
      "a prefix that nginx strips",
      nginxWith((up) => `location /api/ { proxy_set_header Host $http_host; proxy_pass http://${up}/; }`),
      {},
      "Path",
      "FAIL",
      /takes \/api off the path/,
      /pathPrefix: "\/api".*handle_path/,
    ],
    [
      "a prefix that Caddy strips",
      caddyWith((up) => `handle_path /api/* {\n reverse_proxy ${up}\n }`),
      {},
      "Path",
      "FAIL",
      /takes \/api off the path/,
      /pathPrefix: "\/api"/,
    ],
    [
      "a prefix that nginx adds",
      nginxWith((up) => `location / { proxy_set_header Host $http_host; proxy_pass http://${up}/v1/; }`),
      {},
      "Path",
      "FAIL",
      /puts \/v1 in front of the path\./,
      /proxy_pass/,
    ],
    [
      "a path that nginx decodes",
      nginxWith((up) => `location / { proxy_set_header Host $http_host; proxy_pass http://${up}/; }`),
      {},
      "Encoded path",
      "WARN",
      /decodes the path, %2F included/,
      /with nothing behind the host/,
    ],
    [
      "slashes that nginx merges",
      nginxWith((up) => `location / { proxy_set_header Host $http_host; proxy_pass http://${up}/; }`),
      {},
      "Slashes",
      "WARN",
      /one slash of two/,
      /merge_slashes off/,
    ],
    [
      "a slash at the end that Caddy takes off",
      caddyWith((up) => `uri strip_suffix /\n reverse_proxy ${up}`),
      {},
      "Slash at the end",
      "WARN",
      /takes the slash off the end/,
      /rewrite/,
    ],
    [
      "a query that nginx drops",
      nginxWith((up) => `location / { proxy_set_header Host $http_host; proxy_pass http://${up}$uri; }`),
      {},
      "Query",
      "FAIL",
      /drops the query/,
      /\$is_args\$args/,
    ],
    [
      "a query that Caddy drops",
      caddyWith((up) => `rewrite * {path}?\n reverse_proxy ${up}`),
      {},
      "Query",
      "FAIL",
      /drops the query/,
      /\{uri\}/,
    ],
    [
      "an Authorization header that nginx drops",
      throughNginx('proxy_set_header Authorization "";'),
      {},
      "Authorization",
      "FAIL",
      /does not arrive/,
      /proxy_set_header Authorization/,
    ],
    [
      "an Authorization header that Caddy drops",
      throughCaddy("header_up -Authorization"),
      {},
      "Authorization",
      "FAIL",
      /does not arrive/,
      /header_up -Authorization/,
    ],
    [
      "a Content-Type that nginx replaces",
      throughNginx('proxy_set_header Content-Type "application/json; charset=utf-8";'),
      {},
      "Body",
      "FAIL",
      /makes Content-Type "application\/json; charset=utf-8" of/,
      /\$http_content_type/,
    ],
    [
      "a body that nginx drops",
      throughNginx('proxy_pass_request_body off; proxy_set_header Content-Length "";'),
      {},
      "Body",
      "FAIL",
      /drops the body/,
      /proxy_pass_request_body off/,
    ],
    [
      "a delegation that Caddy drops",
      throughCaddy("header_up -AuthMesh-Delegation"),
      {},
      "Session keys",
      "FAIL",
      /AuthMesh-Delegation does not arrive/,
      /forward AuthMesh-Delegation/,
    ],
    [
      "HEAD that becomes GET",
      throughNginx("proxy_method GET;"),
      {},
      "HEAD",
      "WARN",
      /makes GET of HEAD/,
      /proxy_cache_convert_head off/,
    ],
    [
      "a limit of nginx for bodies",
      throughNginx("client_max_body_size 100k;"),
      {},
      "Large body",
      "WARN",
      /answered 413/,
      /client_max_body_size/,
    ],
    [
      "a limit of amesh for bodies",
      throughNginx(""),
      { maxBodyBytes: 1000 },
      "Large body",
      "WARN",
      /payload_too_large/,
      /maxBodyBytes/,
    ],
    [
      "a service that is down",
      async () => throughNginx("")("127.0.0.1:9"),
      {},
      "Verifier",
      "FAIL",
      /answered 502, and not by amesh/,
      /cannot reach the service/,
    ],
  ])("%s", async (_, start, options, check, verdict, detail, fix) => {
    const upstream = await serve(options);
    const { url } = await start(upstream);
    const findings = await examine(`${url}/api/orders`, {
      upstreams: [new URL(`http://${upstream}/v1/`)],
    });
    expect(findings[check]).toMatchObject({
      verdict,
      detail: expect.stringMatching(detail),
      fix: expect.stringMatching(fix),
    });
  });
});

describe("amesh doctor URL", () => {
  it("finds two changes at once", async () => {
    const upstream = await serve();
    const { url } = await nginx(`location /api/ { proxy_pass http://${upstream}/; }`, onTestFinished);
    const findings = await examine(`${url}/api/orders?id=7`, {
      upstreams: [new URL(`http://${upstream}`)],
    });
    expect(verdictsOf(findings)).toEqual({
      ...allWell,
      Host: "FAIL",
      Path: "FAIL",
      "Encoded path": "WARN",
      Slashes: "WARN",
    });
    expect(findings["Encoded path"]?.decision).toMatch(/^\S{16}$/);
  });

  it("finds a usual name of a service behind a proxy by itself", async () => {
    const { url } = await throughNginx("")(await serve({ audience: "localhost:3000" }));
    const { Host } = await examine(`${url}/orders`);
    expect(Host).toMatchObject({
      verdict: "FAIL",
      detail: expect.stringContaining("expects localhost:3000."),
    });
  });

  it("finds that the service goes by localhost at the port of the URL", async () => {
    let guard = verify({ ...(list && { allowList: list }), logger: silent });
    const host = await listen((request, response) => guard(request, response, () => response.end()));
    const audience = host.replace("127.0.0.1", "localhost");
    guard = verify({ ...(list && { allowList: list }), logger: silent, audience });
    const { Host } = await examine(`http://${host}/orders`);
    expect(Host).toMatchObject({
      verdict: "FAIL",
      detail: expect.stringContaining(`expects ${audience}.`),
    });
  });

  it("says of a nonce store that forgot when to come again, and blames no header for it", async () => {
    const forgotAt = Math.floor(Date.now() / 1000);
    const host = await serve({ nonceStore: { checkAndRecord: async () => true, forgotAt } });
    const findings = await examine(`http://${host}/orders`);
    expect(verdictsOf(findings)).toEqual({ Verifier: "OK", Authorization: "OK", "Nonce store": "FAIL" });
    expect(findings["Nonce store"]).toMatchObject({
      detail: expect.stringMatching(/lost its memory.*\(replay_store_unavailable\)/),
      rows: [expect.stringMatching(/^It asks to be called again in \d\d s\.$/)],
      fix: expect.stringContaining("Retry-After"),
    });
  });

  it("signs for a host that it only guessed nothing but a path that means nothing", async () => {
    const seen: string[] = [];
    const guard = verify({ ...(list && { allowList: list }), logger: silent, audience: "localhost:3000" });
    const host = await listen((request, response) => {
      seen.push(`${request.url} ${request.headers.authorization === undefined ? "bare" : "signed"}`);
      // A framework that verifies behind its router.
      if (request.url !== "/orders") response.writeHead(404).end();
      else guard(request, response, () => response.end());
    });
    const findings = await examine(`http://${host}/orders`);
    expect(verdictsOf(findings)).toEqual({ Verifier: "OK", Authorization: "OK", Proof: "FAIL" });
    expect(findings["Proof"]?.rows?.join()).not.toContain("localhost");
    expect(findings["Proof"]?.fix).toContain("--upstream");
    expect(seen.filter((line) => line === "/orders signed").length).toBeLessThan(8);
  });

  it("says what it cannot tell: the service does not know this key", async () => {
    const logged: string[] = [];
    const host = await serve({
      allowList: await stranger(),
      logger: { ...silent, warn: (_, fields) => logged.push(JSON.stringify(fields)) },
    });
    const findings = await examine(`http://${host}/orders`);
    expect(verdictsOf(findings)).toEqual({ Verifier: "OK", Authorization: "OK", Proof: "FAIL" });
    expect(findings["Proof"]?.rows).toEqual([
      expect.stringMatching(/^Hosts tried: 127\.0\.0\.1:\d+, .*localhost:3000/),
    ]);
    const { detail = "", fix = "", decision = "" } = findings["Proof"] ?? {};
    expect(detail).toMatch(/cannot tell why\. It may be a key that is unknown, expired or revoked/);
    expect(fix).toContain(`"${decision}" in the service's log`);
    expect(logged.join()).toContain(`"decision":"${decision}","code":"device_unknown"`);
  });

  it("finds a clock by which the service does not accept", async () => {
    const { now } = Date;
    const ahead = () => now() + 100_000;
    Date.now = ahead;
    const guard = verify({ ...(list && { allowList: list }), logger: silent });
    Date.now = now;
    const host = await listen((request, response) => {
      response.setHeader("Date", new Date(ahead()).toUTCString());
      guard(request, response, () => response.end());
    });
    const findings = await examine(`http://${host}/orders`);
    expect(findings["Clock"]).toMatchObject({
      verdict: "FAIL",
      detail: expect.stringMatching(/clock is (99|100|101) s behind the service's/),
      fix: expect.stringContaining("NTP"),
    });
  });

  it("leaves out what a service answers before amesh sees it", async () => {
    const guard = verify({ ...(list && { allowList: list }), logger: silent });
    const host = await listen((request, response) => {
      const isKnown = request.url?.startsWith("/orders") && !request.url.startsWith("/orders/");
      if (request.method === "REPORT") response.writeHead(405).end();
      else if (isKnown) guard(request, response, () => response.end());
      else response.writeHead(404).end();
    });
    const findings = await examine(`http://${host}/orders`);
    expect(verdictsOf(findings)).toEqual({
      ...allWell,
      "Encoded path": "SKIP",
      Slashes: "SKIP",
      "Slash at the end": "SKIP",
      Body: "SKIP",
      "Large body": "SKIP",
    });
    expect(findings["Body"]).toMatchObject({
      detail: expect.stringContaining("405 before amesh sees it"),
      fix: expect.stringContaining("--method"),
    });
    expect(verdictsOf(await examine(`http://${host}/orders`, { method: "POST" }))).toMatchObject({
      Body: "OK",
    });
  });

  it("fails where nobody asks for a proof, and where the verifier itself is not well", async () => {
    const open = await listen((_, response) => response.end("hello"));
    const findings = await examine(`http://${open}/`);
    expect(findings).toEqual({
      Verifier: expect.objectContaining({ verdict: "FAIL", detail: expect.stringContaining("answered 200") }),
    });
    const ill = await serve({ requireHostBinding: true });
    expect((await examine(`http://${ill}/`))["Authorization"]).toMatchObject({
      verdict: "FAIL",
      detail: expect.stringContaining("verifier_not_ready"),
    });
  });

  it("ends with 1 when something is wrong, and names what mends it and the decision to look up", async () => {
    const { url } = await throughNginx('proxy_pass_request_body off; proxy_set_header Content-Length "";')(
      await serve(),
    );
    const { status, stdout, stderr } = await caller.run(["doctor", `${url}/`]);
    expect(status).toBe(1);
    expect(stdout).toMatch(
      /^FAIL {2}Body {2,}The proxy drops the body\.\n +nginx: without `proxy_pass_request_body/m,
    );
    expect(stderr).toContain("Next: mend what failed");
  });

  it("ends with 5 when nothing answers, and with 4 without an identity", async () => {
    const nobody = await caller.run(["doctor", "http://127.0.0.1:9/"]);
    expect(nobody).toEqual({ status: 5, ...failed("service_unreachable", "Check the URL") });
    const newcomer = new TestMachine();
    onTestFinished(() => newcomer.remove());
    expect((await newcomer.run(["doctor", "http://127.0.0.1:9/"])).status).toBe(4);
  });

  it.each([
    ["a path without a host", ["/orders"]],
    ["a method without a body", ["http://127.0.0.1:9/", "--method", "GET"]],
    ["an upstream that is no URL", ["http://127.0.0.1:9/", "--upstream", "app:3000"]],
    ["a relay", ["http://127.0.0.1:9/", "--relay", "ws://127.0.0.1:9/ws"]],
    ["an upstream without a URL", ["--upstream", "http://127.0.0.1:9"]],
  ])("refuses %s", async (_, args) => {
    const result = await caller.run(["doctor", ...args, "--json"]);
    expect([result.status, documentOf(result).error.code]).toEqual([2, "invalid_option"]);
  });
});

/** The list of a machine that trusts nobody. */
async function stranger() {
  const machine = new TestMachine();
  onTestFinished(() => machine.remove());
  await machine.init("other");
  return machine.openList();
}
