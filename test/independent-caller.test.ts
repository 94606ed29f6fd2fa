import { join } from "node:path";
import { openIdentity } from "@authmesh/keystore";
import { createClient, type SignedInit } from "@authmesh/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Machines } from "../scripts/machines.js";
import { askPython } from "./conformance/python-peer.js";
import { startExample } from "./fixtures/example-server.js";

const machines = new Machines();
const keyFile = join(machines.folder, "python-key.pem");
let url: string;

beforeAll(async () => {
  await machines.run("api", "init", "--name", "api");
  const [answer] = await askPython<{ publicKey: string }>(["--key", keyFile, "key"]);
  const add = machines.amesh("api", "add", "--name", "a Python service", "--public-key", "-", "--yes");
  add.write(`${answer?.publicKey}\n`);
  add.end();
  expect(await add.ended).toBe(0);
  ({ url } = await startExample(machines, "express-api/server.js", "api"));
});

afterAll(() => machines.close());

const base64 = (text: string) => Buffer.from(text).toString("base64");

test("a caller that knows only the protocol document is accepted by the Express example", async () => {
  const order = { method: "POST", body: base64('{"amount":100}'), contentType: "application/json" };
  const [answer] = await askPython<{ status: number; body: string }>(
    ["--key", keyFile, "call", `${url}/api/orders?b=2&a=1`],
    [order],
  );
  expect(answer).toMatchObject({ status: 200, body: expect.stringContaining('"name":"a Python service"') });
});

test("the same caller with another key is refused", async () => {
  const [answer] = await askPython<{ status: number; body: string }>(
    ["call", `${url}/api/orders`],
    [{ method: "POST", body: base64("x") }],
  );
  expect(answer).toEqual({ status: 401, body: '{"error":"unauthorized"}' });
});

test("what amesh.fetch sends is verified by code that knows only the protocol document", async () => {
  const seen: SignedInit[] = [];
  const identity = await openIdentity({ dir: machines.dir("api"), env: {} });
  const client = createClient({
    identity,
    fetch: async (_, init) => {
      seen.push(init);
      return new Response();
    },
  });
  await client.fetch("https://api.example.com/api/orders?b=2&a=1", {
    method: "POST",
    body: '{"amount":100}',
  });
  const sent = {
    method: "POST",
    target: "/api/orders?b=2&a=1",
    audience: "api.example.com",
    authorization: seen[0]?.headers["Authorization"],
    contentType: "text/plain;charset=UTF-8",
    body: base64('{"amount":100}'),
  };
  const verdicts = await askPython(
    ["verify"],
    [sent, { ...sent, body: base64('{"amount":900}') }, { ...sent, audience: "other.example" }],
  );
  expect(verdicts).toMatchObject([
    { ok: true, deviceId: identity.publicKey.deviceId },
    { ok: false, signed: false },
    { ok: false, bound: false },
  ]);
});
