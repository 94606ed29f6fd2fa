import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Machines } from "../scripts/machines.js";
import { root } from "../scripts/run.js";

const machines = new Machines();
const example = (file: string) => join(root, "examples", file);

beforeAll(async () => {
  await machines.startRelay();
  await machines.run("called", "init", "--name", "the called service");
  await machines.run("calling", "init", "--name", "the calling service", "--backend", "encrypted-file");
  await machines.pair("calling", "called");
});

afterAll(() => machines.close());

/** Starts a server of an example on a free port that is its audience. */
async function startServer(
  file: string,
  machine: string,
  env: Record<string, string> = {},
): Promise<{ url: string; log: string[] }> {
  const port = await freePort();
  const program = machines.start([example(file)], {
    machine,
    env: { PORT: String(port), AMESH_AUDIENCE: `127.0.0.1:${port}`, ...env },
  });
  await program.line((line) => (line.startsWith("listening") ? line : undefined));
  return { url: `http://127.0.0.1:${port}`, log: program.lines };
}

async function freePort(): Promise<number> {
  const { createServer } = await import("node:net");
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as import("node:net").AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs a client of an example to its end. */
async function run(
  file: string,
  machine: string,
  ...args: string[]
): Promise<{ status: number | null; output: string }> {
  const program = machines.start([example(file), ...args], { machine });
  const status = await program.ended;
  return { status, output: program.lines.join("\n") };
}

describe("the recipes run as their README says", () => {
  test("Express API", async () => {
    const { url } = await startServer("express-api/server.js", "called");
    const { status, output } = await run("express-api/client.js", "calling", url);
    expect(output).toContain('"message":"Authenticated!"');
    expect(output).toContain('"name":"the calling service","order":{"amount":100}');
    expect(status).toBe(0);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const bare = await fetch(`${url}/api/orders`, { method: "POST" });
    expect([bare.status, await bare.text()]).toEqual([400, '{"error":"missing_header"}']);
  });

  test("Express API: trust is one-way, so the called service cannot call", async () => {
    const { url } = await startServer("express-api/server.js", "calling");
    const { status, output } = await run("express-api/client.js", "called", url);
    expect(output).toBe('401 {"error":"unauthorized"}');
    expect(status).toBe(1);
  });

  test("service to service", async () => {
    const users = await startServer("service-to-service/users.js", "called");
    const orders = await startServer("service-to-service/orders.js", "calling", { USERS_URL: users.url });
    const answer = await fetch(`${orders.url}/orders/7`);
    expect(await answer.json()).toEqual({ order: "7", user: { id: "123", name: "user 123" } });
    expect(users.log).toContain("request from the calling service");
    expect((await fetch(`${users.url}/internal/users/123`)).status).toBe(400);
  });

  test("webhooks", async () => {
    const { url, log } = await startServer("webhooks/receiver.js", "called");
    const { status, output } = await run("webhooks/sender.js", "calling", `${url}/webhooks`);
    expect([status, output]).toEqual([0, "attempt 1: 200"]);
    expect(log).toContain("webhook from the calling service: order.paid");
  });

  test("local development", async () => {
    const { url } = await startServer("local-development/api.js", "called");
    const { status, output } = await run("local-development/job.js", "calling", url);
    expect([status, output]).toEqual([0, '200 {"from":"the calling service","query":"test"}']);
  });
});
