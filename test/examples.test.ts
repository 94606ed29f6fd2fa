import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { FakeKms } from "../examples/aws-kms/fake-kms.js";
import { Machines } from "../scripts/machines.js";
import { example, startExample } from "./fixtures/example-server.js";

const machines = new Machines();

beforeAll(async () => {
  await machines.startRelay();
  await machines.run("called", "init", "--name", "the called service");
  await machines.run("calling", "init", "--name", "the calling service", "--backend", "encrypted-file");
  await machines.pair("calling", "called");
});

afterAll(() => machines.close());

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

test.each([
  ["express", "express-api/server.js"],
  ["fastify", "fastify/server.js"],
  ["hono", "hono/server.js"],
  ["node", "node/server.js"],
  ["fetch", "fetch/handler.js"],
  ["nextjs", "nextjs/next.config.ts"],
  ["nextjs", "nextjs/verify-options.ts"],
  ["nextjs", "nextjs/instrumentation.ts"],
  ["nextjs", "nextjs/proxy.ts"],
  ["nextjs", "nextjs/app/api/orders/route.ts"],
  ["nextjs", "nextjs/pages/api/hooks.ts"],
  ["nextjs", "nextjs/token-options.ts"],
  ["nextjs", "nextjs/app/api/tokens/route.ts"],
  ["nextjs", "nextjs/app/api/edge/route.ts"],
  ["protect-an-api-with-tokens", "token-api/server.js"],
  ["protect-an-api-with-tokens", "token-api/client.js"],
  ["authz-nginx", "nginx-auth-request/amesh.conf"],
  ["websockets", "websockets/server.js"],
  ["websockets", "websockets/client.js"],
])("the guide %s shows the example %s as it is", (page, file) => {
  const guide = readFileSync(new URL(`../docs/guide/${page}.md`, import.meta.url), "utf8");
  expect(guide).toContain(readFileSync(example(file), "utf8"));
});

describe("the recipes run as their README says", () => {
  test("Express API", async () => {
    const { url } = await startExample(machines, "express-api/server.js", "called");
    const { status, output } = await run("express-api/client.js", "calling", url);
    expect(output).toContain('"message":"Authenticated!"');
    expect(output).toContain('"name":"the calling service","order":{"amount":100}');
    expect(status).toBe(0);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    const bare = await fetch(`${url}/api/orders`, { method: "POST" });
    expect([bare.status, await bare.text()]).toEqual([400, '{"error":"missing_header"}']);
  });

  test("Express API: trust is one-way, so the called service cannot call", async () => {
    const { url } = await startExample(machines, "express-api/server.js", "calling");
    const { status, output } = await run("express-api/client.js", "called", url);
    expect(output).toBe('401 {"error":"unauthorized"}');
    expect(status).toBe(1);
  });

  test.each([
    ["Fastify", "fastify"],
    ["Hono", "hono"],
    ["Node.js without a framework", "node"],
    ["the Fetch standard", "fetch"],
  ])("%s", async (_, folder) => {
    const { url } = await startExample(machines, `${folder}/server.js`, "called");
    const { status, output } = await run("express-api/client.js", "calling", url);
    expect(output).toContain('"message":"Authenticated!"');
    expect(output).toContain('"name":"the calling service","order":{"amount":100}');
    expect(status).toBe(0);
    // The handler of the Fetch standard is protected whole.
    if (folder !== "fetch") expect((await fetch(`${url}/health`)).status).toBe(200);
    expect((await fetch(`${url}/api/orders`, { method: "POST" })).status).toBe(400);
  });

  test("WebSockets, which end when their device is revoked", async () => {
    const machine = "called for a while";
    await machines.run(machine, "init", "--name", machine, "--backend", "encrypted-file");
    await machines.pair("calling", machine);
    const { url } = await startExample(machines, "websockets/server.js", machine);
    const address = `${url.replace("http", "ws")}/live`;
    const open = () => machines.start([example("websockets/client.js"), address], { machine: "calling" });
    const program = open();
    await program.line((line) => (line === "the calling service said hello" ? line : undefined));
    await machines.run(machine, "revoke", "the calling service", "--yes");
    expect(await program.ended).toBe(0);
    expect(program.lines.at(-1)).toBe("closed: 1008 device_revoked");
    const refused = open();
    await refused.ended;
    expect(refused.lines[0]).toBe("Unexpected server response: 401");
  });

  test("service to service", async () => {
    const users = await startExample(machines, "service-to-service/users.js", "called");
    const orders = await startExample(machines, "service-to-service/orders.js", "calling", {
      USERS_URL: users.url,
    });
    const answer = await fetch(`${orders.url}/orders/7`);
    expect(await answer.json()).toEqual({ order: "7", user: { id: "123", name: "user 123" } });
    expect(users.log).toContain("request from the calling service");
    expect((await fetch(`${users.url}/internal/users/123`)).status).toBe(400);
  });

  test("webhooks", async () => {
    const { url, log } = await startExample(machines, "webhooks/receiver.js", "called");
    const { status, output } = await run("webhooks/sender.js", "calling", `${url}/webhooks`);
    expect([status, output]).toEqual([0, "attempt 1: 200"]);
    expect(log).toContain("webhook from the calling service: order.paid");
  });

  test("local development", async () => {
    const { url } = await startExample(machines, "local-development/api.js", "called");
    const { status, output } = await run("local-development/job.js", "calling", url);
    expect([status, output]).toEqual([0, '200 {"from":"the calling service","query":"test"}']);
  });

  test("AWS KMS", async () => {
    const kms = await FakeKms.start();
    onTestFinished(() => kms.stop());
    const machine = "called by a key in KMS";
    await machines.run(machine, "init", "--name", machine, "--backend", "encrypted-file");
    const file = join(machines.folder, "public-key");
    writeFileSync(file, kms.publicKey.toString("base64"));
    await machines.run(machine, "add", "--name", "billing", "--public-key", file, "--yes");
    const { url } = await startExample(machines, "express-api/server.js", machine);

    kms.trouble = ["throttle", "", "throttle", "fail"];
    const env = { AWS_ENDPOINT_URL_KMS: kms.endpoint, KMS_KEY_ID: kms.keyId };
    const caller = machines.start([example("aws-kms/caller.js"), `${url}/api/orders`], { env });
    expect(await caller.ended).toBe(0);
    expect(caller.lines).toEqual(Array.from({ length: 10 }, (_, i) => `call ${i + 1}: 200`));
    expect([kms.signatures, kms.trouble]).toEqual([1, []]);
  });

  test("AWS KMS that is away is told in words", async () => {
    const kms = await FakeKms.start();
    const env = { AWS_ENDPOINT_URL_KMS: kms.endpoint, KMS_KEY_ID: kms.keyId };
    await kms.stop();
    const caller = machines.start([example("aws-kms/caller.js")], { env });
    expect(await caller.ended).toBe(1);
    expect(caller.errors).toEqual([
      expect.stringMatching(/^AWS KMS did not give the public key: .* \(key_store_unavailable\)$/),
      expect.stringContaining("KMS_KEY_ID"),
    ]);
  });
});
