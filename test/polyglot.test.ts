import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Machines } from "../scripts/machines.js";
import { example, startExample } from "./fixtures/example-server.js";
import { freePort } from "./fixtures/free-port.js";

const machines = new Machines();
const goProgram = join(machines.folder, "go-caller");
const callers = [
  { language: "Python", program: "/usr/bin/python3", script: [example("polyglot/caller.py")] },
  { language: "Go", program: goProgram, script: [] },
];
const keyOf = (language: string) => join(machines.folder, `${language}.pem`);

/** Runs a program to its end. */
async function run(program: string, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, timeout: 60_000 });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += data));
  const [status] = await once(child, "close");
  return { status, output: output.trim() };
}

let service: string;
/** What the proxy between caller and service does to what it forwards. */
let change = { body: (body: string) => body, path: (path: string) => path };

/** Keeps Host, as the callers write it. */
const proxy: Server = createServer(async (incoming, response) => {
  let body = "";
  for await (const chunk of incoming) body += chunk;
  const { method, headers, url = "" } = incoming;
  const forwarded = request(service + change.path(url), { method, headers }, (answer) => {
    response.writeHead(answer.statusCode ?? 502);
    answer.pipe(response);
  });
  forwarded.end(change.body(body));
});

beforeAll(async () => {
  await machines.run("api", "init", "--name", "api", "--max-controllers", "2");
  const env = { GO111MODULE: "off", GOCACHE: join(machines.folder, "go-cache"), GOFLAGS: "" };
  const built = await run("go", ["build", "-o", goProgram, example("polyglot/caller.go")], env);
  expect(built).toEqual({ status: 0, output: "" });
  for (const { language, program, script } of callers) {
    const { output } = await run(program, [...script, keyOf(language)]);
    const add = machines.amesh(
      "api",
      "add",
      "--name",
      `the ${language} caller`,
      "--public-key",
      "-",
      "--yes",
    );
    add.write(`${output}\n`);
    add.end();
    expect(await add.ended).toBe(0);
  }
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const audience = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  ({ url: service } = await startExample(machines, "express-api/server.js", "api", {
    AMESH_AUDIENCE: audience,
  }));
});

beforeEach(() => {
  change = { body: (body) => body, path: (path) => path };
});

afterAll(async () => {
  proxy.close();
  await machines.close();
});

describe.each(callers)(
  "a caller in $language that has nothing of amesh in it",
  ({ language, program, script }) => {
    const order = '{"amount":100}';
    const call = (url: string, key = keyOf(language)) => {
      const { port } = proxy.address() as AddressInfo;
      return run(program, [...script, key, "POST", `http://127.0.0.1:${port}${url}`, order]);
    };

    test.each([
      "/api/orders",
      "/api/orders?b=2&a=%20&b=1",
      "/api/orders?",
      "/api/orders?name=Zoë&city=%C3%85rhus",
    ])("is accepted with a body at %s", async (url) => {
      const { status, output } = await call(url);
      expect(output).toContain(`"name":"the ${language} caller","order":${order}`);
      expect([status, output.slice(0, 4)]).toEqual([0, "200 "]);
    });

    test("says in one line that nobody listens", async () => {
      const url = `http://127.0.0.1:${await freePort()}/`;
      const { status, output } = await run(program, [...script, keyOf(language), "GET", url]);
      expect(output).toMatch(/^[^\n]*connection refused$/i);
      expect([status, output.includes(url)]).toEqual([1, true]);
    });

    test("is accepted without a body", async () => {
      const { port } = proxy.address() as AddressInfo;
      const answer = await run(program, [
        ...script,
        keyOf(language),
        "GET",
        `http://127.0.0.1:${port}/api/nothing`,
      ]);
      // Express answers, behind the verifier.
      expect(answer.output).toMatch(/^404 .*Cannot GET/s);
    });

    test.each<[string, Partial<typeof change>]>([
      ["another body", { body: (body) => body.replace("100", "900") }],
      ["another order of the query", { path: () => "/api/orders?a=1&b=2" }],
      ["another path", { path: (path) => path.replace("orders", "Orders") }],
    ])("is refused with %s", async (_, changes) => {
      change = { ...change, ...changes };
      expect(await call("/api/orders?b=2&a=1")).toEqual({
        status: 1,
        output: '401 {"error":"unauthorized"}',
      });
    });

    test("is refused with a key that nobody added", async () => {
      const answer = await call("/api/orders", keyOf(`stranger in ${language}`));
      expect(answer).toEqual({ status: 1, output: '401 {"error":"unauthorized"}' });
    });
  },
);
