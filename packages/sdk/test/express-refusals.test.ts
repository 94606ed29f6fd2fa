import type { IncomingMessage, ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import { type Decision, signRequest } from "@authmesh/core";
import { amesh, type ClientIdentity, createClient, type VerifyOptions } from "@authmesh/sdk";
import { describe, expect, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { rawExchange, readAnswer } from "./fixtures/raw-http.js";
import { serve } from "./fixtures/servers.js";

const caller = makeIdentity();

interface Protected {
  url: string;
  host: string;
  trust: MemoryTrust;
  decisions: Decision[];
  bodies: unknown[];
}

async function serveProtected(
  options: VerifyOptions = {},
  trust = new MemoryTrust().trust(caller),
): Promise<Protected> {
  const decisions: Decision[] = [];
  const bodies: unknown[] = [];
  const verify = amesh.verify({
    allowList: trust,
    logger: silent,
    onDecision: (decision) => void decisions.push(decision),
    ...options,
  });
  const { url, host } = await serve(
    (request: IncomingMessage & { body?: unknown }, response: ServerResponse) => {
      verify(request, response, (error) => {
        bodies.push(request.body);
        response.statusCode = error === undefined ? 200 : 500;
        response.end("reached");
      });
    },
  );
  trust.audience = [host];
  return { url, host, trust, decisions, bodies };
}

/** A good request as text, to be spoilt. */
async function signed(
  server: { url: string; host: string },
  request: {
    method?: string;
    path?: string;
    body?: string | Uint8Array;
    type?: string;
    encoding?: string;
    by?: ClientIdentity;
    now?: () => number;
  } = {},
): Promise<{ head: string[]; body: Buffer; bytes: Buffer }> {
  const { method = "POST", path = "/orders", body = "", type, encoding, by = caller } = request;
  const { publicKey, sign } = by;
  const authorization = await signRequest(
    { method, url: new URL(server.url + path), body, contentType: type, contentEncoding: encoding },
    { key: publicKey.base64, sign, ...(request.now ? { now: request.now } : {}) },
  );
  const head = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${server.host}`,
    `Authorization: ${authorization}`,
    ...(type === undefined ? [] : [`Content-Type: ${type}`]),
    ...(encoding === undefined ? [] : [`Content-Encoding: ${encoding}`]),
    ...(body.length === 0 ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return { head, body: Buffer.from(body), bytes: join(head, Buffer.from(body)) };
}

const join = (head: readonly string[], body: string | Buffer = "") =>
  Buffer.concat([Buffer.from(`${head.join("\r\n")}\r\n\r\n`), Buffer.from(body)]);

async function send(server: Protected, bytes: Buffer) {
  const answer = readAnswer(await rawExchange(server.host, bytes));
  const last = server.decisions.at(-1);
  return { ...answer, code: last?.allowed === false ? last.failure.code : undefined };
}

describe("the uniform 401", () => {
  const unauthorized: [string, string, (server: Protected) => Promise<Buffer>][] = [
    ["device_unknown", "of a key nobody knows", async (s) => (await signed(s, { by: makeIdentity() })).bytes],
    [
      "clock_skew",
      "stamped 31 s ago",
      async (s) => (await signed(s, { now: () => Date.now() - 32_000 })).bytes,
    ],
    [
      "clock_skew",
      "stamped 31 s ahead",
      async (s) => (await signed(s, { now: () => Date.now() + 33_000 })).bytes,
    ],
    [
      "host_mismatch",
      "signed for another server",
      async (s) => {
        const { head } = await signed({ url: "http://other.example", host: "other.example" });
        return join([head[0] as string, `Host: ${s.host}`, ...head.slice(2)]);
      },
    ],
    [
      "host_mismatch",
      "signed for another server and played with its original Host",
      async () => (await signed({ url: "http://other.example", host: "other.example" })).bytes,
    ],
    [
      "host_mismatch",
      "with another content type",
      async (s) => {
        const { head, body } = await signed(s, { body: "{}", type: "application/json" });
        return join(
          head.map((line) => line.replace("application/json", "text/plain")),
          body,
        );
      },
    ],
    [
      "signature_invalid",
      "with another body",
      async (s) => {
        const { head } = await signed(s, { body: '{"amount":100}' });
        return join(head, '{"amount":900}');
      },
    ],
    [
      "signature_invalid",
      "to another path",
      async (s) => {
        const { head } = await signed(s);
        return join([(head[0] as string).replace("/orders", "/admin"), ...head.slice(1)]);
      },
    ],
    [
      "signature_invalid",
      "with another method",
      async (s) => {
        const { head } = await signed(s);
        return join([(head[0] as string).replace("POST", "PUT"), ...head.slice(1)]);
      },
    ],
    [
      "signature_invalid",
      "with another query",
      async (s) => {
        const { head } = await signed(s, { path: "/orders?a=1" });
        return join([(head[0] as string).replace("a=1", "a=2"), ...head.slice(1)]);
      },
    ],
  ];

  test.each(unauthorized)("%s: a request %s", async (code, _, make) => {
    const server = await serveProtected();
    const answer = await send(server, await make(server));
    expect(answer.body).toBe('{"error":"unauthorized"}');
    expect(answer.status).toBe(401);
    expect(answer.code).toBe(code);
    expect(answer.head).toMatch(/^WWW-Authenticate: AuthMesh$/m);
    expect(server.bodies).toEqual([]);
  });

  test("replay_detected: the same bytes twice", async () => {
    const server = await serveProtected();
    const { bytes } = await signed(server, { body: "once" });
    expect((await send(server, bytes)).status).toBe(200);
    expect(await send(server, bytes)).toMatchObject({ status: 401, code: "replay_detected" });
  });

  test("replay_detected: one request 100 times at once reaches the handler once", async () => {
    const server = await serveProtected();
    const { bytes } = await signed(server, { body: "once" });
    const answers = await Promise.all(Array.from({ length: 100 }, () => rawExchange(server.host, bytes)));
    expect(answers.filter((answer) => readAnswer(answer).status === 200)).toHaveLength(1);
    expect(server.bodies).toHaveLength(1);
  });

  test("replay_detected: two servers of one process share what they have seen", async () => {
    const trust = new MemoryTrust().trust(caller);
    const first = await serveProtected({ audience: "service.example" }, trust);
    const second = await serveProtected({ audience: "service.example" }, trust);
    const { bytes } = await signed({ url: "http://service.example", host: "service.example" });
    expect((await send(first, bytes)).status).toBe(200);
    expect(await send(second, bytes)).toMatchObject({ status: 401, code: "replay_detected" });
  });

  test("role_not_controller and device_revoked are told apart in the decision only", async () => {
    const trust = new MemoryTrust().trust(caller, { role: "target" });
    const server = await serveProtected({}, trust);
    expect(await send(server, (await signed(server)).bytes)).toMatchObject({
      code: "role_not_controller",
      body: '{"error":"unauthorized"}',
    });
    trust.devices.clear();
    trust.revoked.add(caller.publicKey.deviceId);
    expect(await send(server, (await signed(server)).bytes)).toMatchObject({
      code: "device_revoked",
      body: '{"error":"unauthorized"}',
    });
  });
});

describe("other refusals", () => {
  const cases: [number, string, string, (server: Protected) => Promise<Buffer>, VerifyOptions?][] = [
    [400, "missing_header", "without a proof", async (s) => join(["GET / HTTP/1.1", `Host: ${s.host}`])],
    [
      400,
      "malformed_header",
      "with another scheme",
      async (s) => join(["GET / HTTP/1.1", `Host: ${s.host}`, "Authorization: Bearer x"]),
    ],
    [
      400,
      "malformed_header",
      "with two Authorization headers",
      async (s) => {
        const { head } = await signed(s);
        return join([...head, head[2] as string]);
      },
    ],
    [
      400,
      "malformed_header",
      "with two content types",
      async (s) => {
        const { head, body } = await signed(s, { body: "{}", type: "application/json" });
        return join([...head, "Content-Type: text/plain"], body);
      },
    ],
    [
      400,
      "unsupported_version",
      "of version 2",
      async (s) => join(["GET / HTTP/1.1", `Host: ${s.host}`, 'Authorization: AuthMesh v="2",new="thing"']),
    ],
    ...[
      "//orders",
      "/a/../orders",
      "/a/%2e%2E/orders",
      "/orders?q=%ff",
      "/orders\\x",
      "http://evil.example/orders",
    ].map((target): [number, string, string, (server: Protected) => Promise<Buffer>] => [
      400,
      "malformed_target",
      `with the target ${target}`,
      async (s) => {
        const { head } = await signed(s);
        return join([(head[0] as string).replace("/orders", target), ...head.slice(1)]);
      },
    ]),
    [
      400,
      "malformed_target",
      "with a method override",
      async (s) => {
        const { head } = await signed(s);
        return join([...head, "X-HTTP-Method-Override: DELETE"]);
      },
    ],
    [
      413,
      "payload_too_large",
      "announced too large",
      async (s) => (await signed(s, { body: "x".repeat(101) })).bytes,
      { maxBodyBytes: 100 },
    ],
    [
      413,
      "payload_too_large",
      "streamed too large",
      async (s) => {
        const { head } = await signed(s, { body: "x".repeat(101) });
        const chunked = head.map((line) =>
          line.startsWith("Content-Length") ? "Transfer-Encoding: chunked" : line,
        );
        return join(chunked, `65\r\n${"x".repeat(101)}\r\n0\r\n\r\n`);
      },
      { maxBodyBytes: 100 },
    ],
    [
      415,
      "unsupported_content_encoding",
      "compressed, unasked",
      async (s) => (await signed(s, { body: gzipSync("{}"), encoding: "gzip" })).bytes,
    ],
    [
      413,
      "payload_too_large",
      "that inflates beyond the limit",
      async (s) => (await signed(s, { body: gzipSync("x".repeat(100_000)), encoding: "gzip" })).bytes,
      { maxBodyBytes: 10_000, contentEncodings: ["gzip"] },
    ],
    [403, "scope_missing", "without the scope", async (s) => (await signed(s)).bytes, { scope: "orders:w" }],
  ];

  test.each(cases)("%i %s: a request %s", async (status, code, _, make, options) => {
    const server = await serveProtected(options);
    const answer = await send(server, await make(server));
    expect(answer).toMatchObject({ status, code, body: JSON.stringify({ error: code }) });
    const decision = server.decisions.at(-1);
    expect(answer.head).toContain(`AuthMesh-Decision: ${decision?.id}`);
    expect(server.bodies).toEqual([]);
  });

  test("408: a body that does not come in time", async () => {
    const server = await serveProtected({ bodyTimeoutSeconds: 1 });
    const { head } = await signed(server, { body: "never sent" });
    expect(await send(server, join(head))).toMatchObject({ status: 408, code: "body_timeout" });
  });

  test("503: a store that is out", async () => {
    const { AmeshError } = await import("@authmesh/core");
    const nonceStore = { checkAndRecord: () => Promise.reject(new AmeshError("replay_store_unavailable")) };
    const server = await serveProtected({ nonceStore });
    const answer = await send(server, (await signed(server)).bytes);
    expect(answer).toMatchObject({ status: 503, body: '{"error":"replay_store_unavailable"}' });
    expect(answer.head).toMatch(/^Retry-After: 1$/m);
  });

  test("503: more bodies at once than the verifier waits for", async () => {
    const server = await serveProtected({ maxPendingBodies: 1 });
    const { head } = await signed(server, { body: "slow" });
    const { bytes } = await signed(server, { body: "next" });
    const { connect } = await import("node:net");
    const [address, port] = server.host.split(":") as [string, string];
    const slow = connect(Number(port), address);
    slow.write(join(head));
    await expect.poll(async () => (await send(server, bytes)).code).toBe("verifier_busy");
    slow.destroy();
  });

  test("503 and nobody in: a store that breaks in an unforeseen way", async () => {
    const nonceStore = { checkAndRecord: () => Promise.reject(new Error("boom")) };
    const server = await serveProtected({ nonceStore });
    expect(await send(server, (await signed(server)).bytes)).toMatchObject({
      status: 503,
      code: "replay_store_unavailable",
    });
    expect(server.bodies).toEqual([]);
  });

  test("an aborted upload never reaches the handler, and is recorded", async () => {
    const server = await serveProtected();
    const { head } = await signed(server, { body: "ten bytes." });
    await rawExchange(server.host, join(head, "ten"), { end: true });
    await expect.poll(() => server.decisions.length).toBe(1);
    expect(server.decisions[0]).toMatchObject({ allowed: false, failure: { code: "body_incomplete" } });
    expect(server.bodies).toEqual([]);
  });
});

describe("what is let through", () => {
  test("a compressed body, when the application decodes it", async () => {
    const server = await serveProtected({ contentEncodings: ["gzip"] });
    const type = "application/json";
    const { bytes } = await signed(server, { body: gzipSync('{"a":1}'), encoding: "gzip", type });
    expect((await send(server, bytes)).status).toBe(200);
    expect(server.bodies).toEqual([{ a: 1 }]);
  });

  test("a request that passes two verifiers on its way", async () => {
    const trust = new MemoryTrust().trust(caller, { scopes: { orders: "rw" } });
    const first = amesh.verify({ allowList: trust, logger: silent });
    const second = amesh.verify({ allowList: trust, logger: silent, scope: "orders:w" });
    const { url, host } = await serve((request, response) => {
      first(request, response, () => second(request, response, () => response.end("twice")));
    });
    trust.audience = [host];
    const client = createClient({ identity: caller });
    const response = await client.fetch(url, { method: "POST", body: "x" });
    expect(await response.text()).toBe("twice");
  });

  test("a body that trickles in", async () => {
    const server = await serveProtected();
    const { head, body } = await signed(server, { body: "0123456789".repeat(20_000) });
    const { connect } = await import("node:net");
    const [address, port] = server.host.split(":") as [string, string];
    const socket = connect(Number(port), address);
    socket.write(join(head));
    for (let i = 0; i < body.length; i += 9_999) socket.write(body.subarray(i, i + 9_999));
    const answer = await new Promise<string>((resolve) =>
      socket.once("data", (chunk) => resolve(String(chunk))),
    );
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1.1 200/);
  });

  test("another host of the audience through a trusted proxy only", async () => {
    for (const [trustProxy, expected] of [
      [true, 200],
      [false, 401],
    ] as const) {
      const trust = new MemoryTrust().trust(caller);
      const server = await serveProtected({ audience: ["a.example", "b.example"], trustProxy }, trust);
      const { head } = await signed({ url: "http://b.example", host: "a.example" });
      expect((await send(server, join([...head, "X-Forwarded-Host: b.example"]))).status).toBe(expected);
    }
  });
});

describe("the log", () => {
  test("names reason, decision and mend, once a second and reason for callers without a key", async () => {
    const lines: { message: string; fields: object | undefined }[] = [];
    const logger = {
      ...silent,
      warn: (message: string, fields?: object) => void lines.push({ message, fields }),
    };
    const server = await serveProtected({ logger });
    const stranger = makeIdentity();
    for (let i = 0; i < 5; i++) await send(server, (await signed(server, { by: stranger })).bytes);
    const refusals = lines.filter(({ message }) => message.startsWith("refused"));
    expect(refusals).toHaveLength(1);
    expect(refusals[0]?.message).toContain("device_unknown");
    expect(refusals[0]?.fields).toMatchObject({
      decision: server.decisions[0]?.id,
      status: 401,
      step: "device",
    });
  });

  test("holds no signature, nonce or header", async () => {
    const lines: string[] = [];
    const logger = {
      ...silent,
      warn: (message: string, fields?: object) => void lines.push(message + JSON.stringify(fields)),
    };
    const server = await serveProtected({ logger });
    const { bytes, head } = await signed(server);
    await send(server, bytes);
    await send(server, bytes);
    const [, nonce, sig] = /nonce="(.*)",sig="(.*)"/.exec(head[2] as string) as RegExpExecArray;
    expect(lines.join("\n")).toContain("replay_detected");
    expect(lines.join("\n")).not.toContain(nonce);
    expect(lines.join("\n")).not.toContain(sig);
  });

  test("escapes what a stranger sends", async () => {
    const lines: string[] = [];
    const logger = {
      ...silent,
      warn: (message: string, fields?: object) => void lines.push(message + JSON.stringify(fields)),
    };
    const server = await serveProtected({ logger });
    await send(
      server,
      join([
        "GET /\u001b[31m\u0085 HTTP/1.1",
        `Host: ${server.host}`,
        'Authorization: AuthMesh v="\u009b31m"',
      ]),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is looked for
    expect(lines.join("")).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  });
});

test.each([
  ["clockSkewSeconds", { clockSkewSeconds: 301 }],
  ["clockSkewSeconds", { clockSkewSeconds: 1.5 }],
  ["audience", { audience: "https://api.example.com" }],
  ["audience", { audience: [] }],
  ["contentEncodings", { contentEncodings: ["lzma"] }],
  ["scope", { scope: "orders" }],
  ["maxBodyBytes", { maxBodyBytes: -1 }],
])("a wrong option is a TypeError that names it: %s", (name, options) => {
  expect(() => amesh.verify({ allowList: new MemoryTrust(), ...options })).toThrow(new RegExp(`^${name}`));
  expect(() => amesh.verify({ allowList: new MemoryTrust(), ...options })).toThrow(TypeError);
});
