import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { AmeshError } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { nodeRequest } from "../src/body/node-request.js";
import { rawExchange } from "./fixtures/raw-http.js";
import { serve } from "./fixtures/servers.js";

/** What earlier middleware may have left behind, when the body was not seen on the wire. */
type Prepared = IncomingMessage & { body?: unknown; rawBody?: unknown };

const limits = { maxBytes: 1000, timeoutMs: 10_000, contentEncodings: ["gzip"] };
const sha256 = (text: string | Buffer) => createHash("sha256").update(text).digest("hex");

/** Sends a POST and gives the hash that is found, or the code of what went wrong. */
async function hashOf(
  body: string | Buffer,
  prepare: (request: Prepared) => Promise<void> | void,
  type = "application/json",
): Promise<string> {
  const { host } = await serve(async (request, response) => {
    await prepare(request);
    const result = await nodeRequest(request)
      .bodyHash(limits)
      .catch((error: unknown) => (error instanceof AmeshError ? error.code : `unexpected ${error}`));
    response.setHeader("Connection", "close");
    response.end(result);
  });
  const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  const answer = await rawExchange(host, Buffer.concat([Buffer.from(head), Buffer.from(body)]));
  return answer.split("\r\n\r\n")[1] ?? "";
}

/** Middleware that reads the stream to its end and leaves something in its place. */
const leave = (member: "body" | "rawBody", value: unknown) => async (request: Prepared) => {
  for await (const _ of request);
  request[member] = value;
};

describe("a body that was not seen on the wire is taken from", () => {
  const text = '{"a":1}';
  const cases: [string, (request: Prepared) => Promise<void> | void, string][] = [
    ["the stream", () => {}, sha256(text)],
    ["rawBody", leave("rawBody", Buffer.from(text)), sha256(text)],
    ["a Buffer body", leave("body", Buffer.from(text)), sha256(text)],
    ["a string body", leave("body", text), sha256(text)],
    ["a parsed body", leave("body", JSON.parse(text)), sha256(text)],
  ];
  test.each(cases)("%s", async (_, prepare, expected) => {
    expect(await hashOf(text, prepare)).toBe(expected);
  });
});

test("a body that was not seen on the wire has a hash of each kind", async () => {
  const { host } = await serve(async (request, response) => {
    const view = nodeRequest(request);
    const hashes = [await view.bodyHash(limits), await view.bodyHash(limits, "sha512")];
    response.setHeader("Connection", "close");
    response.end(hashes.join());
  });
  const answer = await rawExchange(
    host,
    Buffer.from(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 1\r\n\r\nx`),
  );
  const sha512 = createHash("sha512").update("x").digest("hex");
  expect(answer.split("\r\n\r\n")[1]).toBe(`${sha256("x")},${sha512}`);
});

describe("a body that was not seen on the wire is refused when it is left as", () => {
  const cyclic: { self?: unknown } = {};
  cyclic.self = cyclic;
  const sparse: number[] = [];
  sparse[3] = 1;
  const cases: [string, unknown][] = [
    ["nothing", undefined],
    ["a Date", { at: new Date() }],
    ["a Map", new Map()],
    ["an object with toJSON", { toJSON: () => ({}) }],
    ["a sparse array", sparse],
    ["an undefined member", { a: undefined }],
    ["a bigint", { a: 1n }],
    ["minus zero", { a: -0 }],
    ["infinity", { a: Number.POSITIVE_INFINITY }],
    ["an instance of a class", { a: new (class {})() }],
  ];
  test.each(cases)("%s", async (_, left) => {
    const result = await hashOf('{"a":1}', leave("body", left));
    expect(result).toBe("body_parser_ordering_error");
  });

  test("an object that a form was parsed into", async () => {
    const result = await hashOf('{"a":"1"}', leave("body", { a: "1" }), "application/x-www-form-urlencoded");
    expect(result).toBe("body_parser_ordering_error");
  });

  test("a rawBody of another length than Content-Length", async () => {
    const result = await hashOf("abc", leave("rawBody", Buffer.from("abcd")));
    expect(result).toBe("body_parser_ordering_error");
  });

  test("a rawBody that is a string", async () => {
    const result = await hashOf("abc", leave("rawBody", "abc"));
    expect(result).toBe("body_parser_ordering_error");
  });

  test("a body although nobody has read the stream: then the stream is what counts", async () => {
    expect(
      await hashOf("abc", (request) => {
        request.body = "forged";
      }),
    ).toBe(sha256("abc"));
  });
});

test("a stream over the limit is refused", async () => {
  expect(await hashOf("x".repeat(1001), () => {})).toBe("payload_too_large");
});

test("a body that is read from the stream is left for handlers as rawBody and parsed body", async () => {
  const { host } = await serve(async (request: Prepared, response) => {
    await nodeRequest(request).bodyHash(limits);
    response.end(JSON.stringify({ body: request.body, raw: String(request.rawBody) }));
  });
  const answer = await rawExchange(
    host,
    `POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n{ "a":1}`,
  );
  expect(answer).toContain('{"body":{"a":1},"raw":"{ \\"a\\":1}"}');
});
