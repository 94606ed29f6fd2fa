import { EventEmitter, once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { runGateway } from "../src/main.js";
import { folderOf } from "./config/written-config.js";
import { makeDevice } from "./fixtures/callers.js";

const quiet = { debug() {}, info() {}, warn() {}, error() {} };

/** One run of the program in this process: what it wrote, and its signals. */
class Run {
  readonly signals = new EventEmitter();
  readonly #stdout = new PassThrough({ encoding: "utf8" });
  readonly logged: string[] = [];
  stderr = "";
  readonly status: Promise<number>;

  constructor(argv: readonly string[], env: Record<string, string> = {}) {
    const log = (message: string, fields?: object) =>
      void this.logged.push(fields === undefined ? message : `${message} ${JSON.stringify(fields)}`);
    const info = (message: string) => void this.logged.push(`(info) ${message}`);
    this.status = runGateway(argv, {
      env,
      signals: this.signals,
      stdout: this.#stdout,
      stderr: { write: (text: string) => (this.stderr += text) },
      logger: { ...quiet, info, warn: log, error: log },
    });
  }

  get stdout(): string {
    return (this.#stdout.read() as string | null) ?? "";
  }

  /** Of what listens now. */
  async url(): Promise<string> {
    if (this.#stdout.readableLength === 0) await once(this.#stdout, "readable");
    return (JSON.parse(this.stdout) as { url: string }).url;
  }
}

/** What a run says that ends by itself. */
async function said(argv: readonly string[], env: Record<string, string> = {}) {
  const run = new Run(argv, env);
  const status = await run.status;
  return { status, stdout: run.stdout, stderr: run.stderr };
}

async function upstream(answer: string): Promise<string> {
  const server = createServer((_, response) => response.end(answer)).listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const open = (url: string, more = "") =>
  `version: 1\nlisten: { port: 0 }\nadmin: false\nroutes: [{ path: /*, public: true, upstream: '${url}' }]\n${more}`;

describe("the command line of the gateway", () => {
  it.each<[argv: string[], problem: string]>([
    [[], "There is no service to stand in front of: give --upstream URL, or a configuration file."],
    [
      ["--upstream", "http://h/x"],
      '--upstream has a path; it is scheme, host and port, such as "http://127.0.0.1:8080".',
    ],
    [["--upstream", "http://h", "--port", "70000"], "--port is 70000, not a whole number from 0 to 65535."],
    [["--upstream", "http://h", "--port", "x"], '--port takes a number, not "x".'],
    [
      ["--upstream", "http://h", "--audience", "https://a"],
      '--audience is not a host such as "api.example.com" or "localhost:3000": "https://a".',
    ],
    [
      ["--upstream", "http://h", "--headers", "both-of-them"],
      '--headers is "both-of-them", not authmesh or oathmesh or both.',
    ],
    [["--upstream", "http://h", "--cert", "c"], "--cert, --key go together, and --key is missing."],
    [
      ["--upstream", "http://h", "--issuer", "https://i"],
      "--issuer, --token-audience, --policy go together, and --token-audience is missing.",
    ],
    [
      ["--upstream", "http://h", "--redis-url-file", "/nowhere"],
      "--redis-url-file cannot be used: urlFile names /nowhere, which does not exist.",
    ],
    [
      ["--upstream", "http://h", "--cert", "/nowhere", "--key", "/nowhere"],
      "--cert cannot be used: /nowhere cannot be read (ENOENT).",
    ],
    [["a.yaml", "b.yaml"], 'There is one configuration, not "a.yaml" and "b.yaml".'],
    [["a.yaml", "--config", "b.yaml"], 'There is one configuration, not "a.yaml" and "b.yaml".'],
    [
      ["a.yaml", "--upstream", "http://h", "--no-admin"],
      '--upstream, --no-admin cannot stand beside a configuration file: write it into "a.yaml".',
    ],
    [["--upstrem", "http://h"], "Unknown option '--upstrem'."],
    [["schema", "x"], '"x" has no place here.'],
    [["authz"], "--proxy takes one of nginx, caddy, traefik, envoy: who will ask."],
    [["authz", "--proxy", "apache"], "--proxy takes one of nginx, caddy, traefik, envoy: who will ask."],
    [["authz", "--proxy", "nginx", "--path-prefix", "/x"], "--path-prefix is for envoy alone."],
    [["authz", "--proxy", "nginx", "--upstream", "http://h"], "Unknown option '--upstream'."],
  ])("%j is refused", async (argv, problem) => {
    const { status, stderr, stdout } = await said(argv);
    expect(stderr).toMatch(/^amesh: error: .* \(invalid_option\)\namesh: hint: /s);
    expect(stderr.slice("amesh: error: ".length)).toContain(problem);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
  });

  it("names every flag that is wrong", async () => {
    const { stderr } = await said(["--upstream", "http://h/x", "--audience", "https://a"]);
    expect(stderr).toMatch(/^amesh: error: --upstream .*\n--audience .* \(invalid_option\)/);
  });

  it("refuses a variable PORT that is none", async () => {
    const { stderr } = await said(["--upstream", "http://h"], { PORT: "80x" });
    expect(stderr).toContain('--port is left to PORT, which is no port: "80x".');
  });

  it("answers a mistake in JSON where JSON is asked for", async () => {
    const { status, stdout } = await said(["check", "--json", "/nowhere.yaml"]);
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ schema: 1, error: { code: "storage_failed" } });
  });

  it("has a help text for each command", async () => {
    for (const command of ["serve", "check", "schema", "authz"]) {
      const { status, stdout } = await said(command === "serve" ? ["--help"] : [command, "--help"]);
      expect(status).toBe(0);
      expect(stdout).toContain(`Usage: authmesh-gateway${command === "serve" ? "" : ` ${command}`}`);
    }
  });

  it("shows routes in the order in which they are chosen", async () => {
    const folder = folderOf({
      "gateway.yaml": `version: 1
upstreams: { orders: { urls: http://h:1 } }
tokens: { issuers: https://i.example, audience: a, policy: none }
routes:
  - { path: /*, upstream: orders }
  - { path: /api/*, upstream: orders, accept: device, scope: [orders:r, orders:w] }
  - { path: /api/*, hosts: api.example.com, upstream: orders, accept: token, action: orders.read }
  - { path: /health, public: true, methods: GET, upstream: orders }
`,
    });
    const path = join(folder, "gateway.yaml");
    const { status, stdout } = await said(["check", path]);
    expect(status).toBe(0);
    expect(
      stdout,
    ).toBe(`HOST             PATH     METHODS  ACCEPTS                      REQUIRES            UPSTREAM
*                /health  GET      everybody                    -                   orders
api.example.com  /api/*   *        token                        action orders.read  orders
*                /api/*   *        device                       orders:r, orders:w  orders
*                /*       *        device http-signature token  -                   orders
`);
    const { stdout: json } = await said(["check", "--json"], { AMESH_GATEWAY_CONFIG: path });
    expect(JSON.parse(json)).toMatchObject({
      schema: 1,
      valid: true,
      routes: [{ path: "/health" }, {}, {}, {}],
    });
  });

  it("names what is wrong for programs, and hints at no check in its own answer", async () => {
    const path = join(folderOf({ "gateway.json": '{"version":1,\n"version":1}' }), "gateway.json");
    const { status, stdout } = await said(["check", "--json", path]);
    expect(status).toBe(2);
    const wrong = { line: 2, column: 1, path: "", message: expect.stringContaining("twice") };
    expect(JSON.parse(stdout)).toEqual({ schema: 1, valid: false, problems: [wrong] });
    const { stderr } = await said(["check", path]);
    expect(stderr).toMatch(/:2:1: .*twice.* \(gateway_config_invalid\)\n$/);
  });

  it("checks what external authorization reads", async () => {
    const folder = folderOf({ "gateway.yaml": "version: 1\nroutes: [{ path: /* }]\n" });
    const path = join(folder, "gateway.yaml");
    expect((await said(["check", path])).stderr).toContain(
      "gateway.yaml:2:10: routes[0] lacks the member upstream. Only `gateway authz` does without: `check --authz`.",
    );
    expect((await said(["check", "--authz", path])).status).toBe(0);
  });
});

describe("a gateway that runs", () => {
  it("greets, and ends with 0 at SIGTERM", async () => {
    const run = new Run(["--json", "--no-admin", "--port", "0", "--upstream", await upstream("a")]);
    const url = await run.url();
    expect(run.stderr).toContain(`The gateway listens at ${url}\nNext: amesh listen`);
    expect((await fetch(url)).status).toBeGreaterThanOrEqual(400);
    run.signals.emit("SIGTERM");
    expect(await run.status).toBe(0);
    expect(run.signals.eventNames()).toEqual([]);
  });

  it.each<[what: string, flags: string[], lists: string[], next: (port: string) => string]>([
    [
      "by the audience, and lets a machine in where none is",
      ["--host", "0.0.0.0", "--audience", "api.example.com"],
      [],
      () =>
        "Next: amesh listen, to let a machine in; then there: amesh request GET https://api.example.com/\n",
    ],
    [
      "by a host that can be called",
      ["--host", "0.0.0.0"],
      ["controller"],
      (port) => `Next, on a machine that is let in: amesh request GET http://localhost:${port}/\n`,
    ],
    [
      "past a machine that may not call",
      ["--audience", "api:8443"],
      ["target"],
      () => "Next: amesh listen, to let a machine in; then there: amesh request GET https://api:8443/\n",
    ],
  ])("greets %s", async (_, flags, roles, next) => {
    const { deviceId, bytes } = makeDevice().publicKey;
    const publicKey = Buffer.from(bytes).toString("base64");
    const [addedAt, updatedAt] = [1_800_000_000, 1_800_000_000];
    const about = { friendlyName: "till", status: "active", addedAt, addedBy: "manual", bound: true };
    const devices = roles.map((role) => ({ deviceId, publicKey, role, ...about }));
    const nobody = { maxControllers: 5, revoked: [], consumed: [] };
    const list = { version: 1, generation: 1, devices, ...nobody, updatedAt, hmac: "x" };
    const folder = folderOf({ "allow_list.json": JSON.stringify(list) });
    const argv = ["--json", "--no-admin", "--port", "0", "--upstream", await upstream("a"), ...flags];
    const run = new Run(argv, { AUTH_MESH_DIR: folder });
    const { port } = new URL(await run.url());
    expect(run.stderr).toContain(next(port));
    run.signals.emit("SIGTERM");
    expect(await run.status).toBe(0);
  });

  it("answers a proxy that asks", async () => {
    const run = new Run(["authz", "--proxy", "nginx", "--json", "--port", "0"]);
    expect((await fetch(await run.url())).status).toBe(403);
    expect(run.stderr).toMatch(/^The gateway answers nginx at http:/);
    run.signals.emit("SIGINT");
    expect(await run.status).toBe(0);
  });

  it("says that it cannot listen", async () => {
    const port = new URL(await upstream("taken")).port;
    const { status, stderr } = await said(["--no-admin", "--port", port, "--upstream", "http://127.0.0.1:1"]);
    expect(status).toBe(1);
    expect(stderr).toContain("(gateway_cannot_listen)");
  });

  it("follows its configuration, and stays with the last one that could be used", async () => {
    const [a, b] = [await upstream("a"), await upstream("b")];
    const folder = folderOf({ "gateway.yaml": open(a) });
    const path = join(folder, "gateway.yaml");
    const run = new Run(["--json", path]);
    const url = await run.url();
    const answer = async () => (await fetch(url)).text();
    expect(await answer()).toBe("a");

    writeFileSync(path, open(b));
    await vi.waitFor(async () => expect(await answer()).toBe("b"), 3000);
    expect(run.logged).toEqual(["(info) a new configuration is in force"]);

    writeFileSync(path, open(a, "listn: {}\n"));
    await vi.waitFor(
      () => expect(run.logged.join("\n")).toContain("gateway.yaml:5:1: listn is not a member"),
      3000,
    );
    rmSync(path);
    await vi.waitFor(() => expect(run.logged.join("\n")).toContain("cannot be read: ENOENT"), 3000);
    expect(await answer()).toBe("b");

    const moved = open(a).replace("port: 0", "port: 1");
    writeFileSync(path, moved);
    await vi.waitFor(async () => expect(await answer()).toBe("a"), 3000);
    const told = run.logged.join("\n");
    expect(told).toContain("a change of listen counts after a restart; the rest is in force");
    expect(told.match(/cannot be used/g)).toHaveLength(2);
    expect(run.logged.at(-1)).toMatch(/^a new configuration is in force \{/);

    run.signals.emit("SIGTERM");
    expect(await run.status).toBe(0);
  });

  it("reads its configuration again at SIGHUP", async () => {
    const folder = folderOf({ "gateway.yaml": open(await upstream("a")) });
    const run = new Run(["--json", join(folder, "gateway.yaml")]);
    await run.url();
    run.signals.emit("SIGHUP");
    await vi.waitFor(() => expect(run.logged.join("\n")).toMatch(/^a new configuration is in force \{/));
    run.signals.emit("SIGTERM");
    expect(await run.status).toBe(0);
  });
});
