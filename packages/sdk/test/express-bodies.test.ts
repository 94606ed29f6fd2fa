import type { IncomingMessage, RequestListener } from "node:http";
import { amesh, createClient, type VerifyOptions } from "@authmesh/sdk";
import express5 from "express";
import express4 from "express4";
import { describe, expect, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

const caller = makeIdentity();
const client = createClient({ identity: caller });

const binary = Uint8Array.from({ length: 4099 }, (_, i) => (i * 7) & 0xff);
const json = { "Content-Type": "application/json" };

const bodies: Record<string, { body?: BodyInit; headers?: Record<string, string>; method?: string }> = {
  "GET without a body": { method: "GET" },
  "POST without a body": {},
  "POST with an empty string": { body: "" },
  "JSON as JSON.stringify writes it": { body: '{"amount":100}', headers: json },
  "JSON with white space, odd escapes and numbers": {
    body: '{ "amount" : 1e2, "a":"\\u0041", "big": 12345678901234567890, "z":-0 }',
    headers: json,
  },
  "JSON with duplicate members": { body: '{"a":1,"a":2}', headers: json },
  text: { body: "grüße, 世界" },
  "a form": { body: new URLSearchParams({ a: "1 2", b: "&" }) },
  binary: { body: binary, headers: { "Content-Type": "application/octet-stream" } },
  "bytes that are not UTF-8, called text": {
    body: Uint8Array.of(0xff, 0xfe, 0x00),
    headers: { "Content-Type": "text/plain" },
  },
  "1 MiB": { body: new Uint8Array(1024 * 1024).fill(0x61), headers: { "Content-Type": "text/plain" } },
  "a stream": { body: new Blob(["one ", "two"]).stream() as unknown as BodyInit },
  "a FormData": { body: formData() },
};

function formData() {
  const form = new FormData();
  form.set("field", "value");
  form.set("file", new Blob([binary]), "b.bin");
  return form;
}

const parsers = {
  "express.json()": (express: typeof express5) => express.json({ limit: "2mb" }),
  "express.text()": (express: typeof express5) => express.text({ type: "*/*", limit: "2mb" }),
  "express.raw()": (express: typeof express5) => express.raw({ type: "*/*", limit: "2mb" }),
  "express.urlencoded()": (express: typeof express5) => express.urlencoded({ extended: true, limit: "2mb" }),
};

type Build = (options: VerifyOptions) => RequestListener;

const builds: Record<string, Build> = {};
for (const [version, express] of [
  ["Express 5", express5],
  ["Express 4", express4],
] as const) {
  for (const mounted of [false, true]) {
    const place = mounted ? `${version}, mounted under a prefix` : version;
    const build = (...handlers: ((options: VerifyOptions) => express5.RequestHandler)[]): Build => {
      return (options) => {
        const app = express();
        const inner = mounted ? express.Router() : app;
        for (const handler of handlers) inner.use(handler(options));
        inner.all(mounted ? "/orders" : "/api/orders", (req, res) => {
          res.json({ device: req.authMesh.deviceId, name: req.authMesh.friendlyName });
        });
        if (mounted) app.use("/api", inner);
        return app;
      };
    };
    const verify = (options: VerifyOptions) => amesh.verify(options);
    builds[`${place}, no parser`] = build(verify);
    for (const [name, parser] of Object.entries(parsers)) {
      builds[`${place}, after ${name}`] = build(() => parser(express), verify);
      builds[`${place}, before ${name}`] = build(verify, () => parser(express));
    }
  }
}
builds["node:http"] = (options) => {
  const verify = amesh.verify(options);
  return (request, response) => {
    verify(request, response, () => {
      const { deviceId, friendlyName } = (
        request as IncomingMessage & { authMesh: { deviceId: string; friendlyName: string } }
      ).authMesh;
      response.end(JSON.stringify({ device: deviceId, name: friendlyName }));
    });
  };
};

describe.each(Object.entries(builds))("%s", (place, build) => {
  test.each(Object.entries(bodies))("verifies %s", async (name, { body, headers, method = "POST" }) => {
    const allowList = new MemoryTrust().trust(caller);
    const { url, host } = await serve(build({ allowList, logger: silent }));
    allowList.audience = [host];
    const content = name === "a stream" ? (new Blob(["one ", "two"]).stream() as unknown as BodyInit) : body;
    const response = await client.fetch(`${url}/api/orders?b=2&a=1&a=0`, {
      method,
      ...(content === undefined ? {} : { body: content }),
      ...(headers === undefined ? {} : { headers }),
    });
    const answer = await response.text();
    expect(answer).toBe(JSON.stringify({ device: caller.publicKey.deviceId, name: "caller" }));
    expect(response.status, place).toBe(200);
  });
});
