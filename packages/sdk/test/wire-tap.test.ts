import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { expect, test } from "vitest";
import { nodeRequest } from "../src/body/node-request.js";
import { tapOf, tapRequests } from "../src/body/wire-tap.js";
import { rawExchange } from "./fixtures/raw-http.js";
import { serve } from "./fixtures/servers.js";

const limits = { maxBytes: 1000, timeoutMs: 10_000, contentEncodings: [] };
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
tapRequests();

/** What the tap says of a body of ten bytes that comes in one piece. */
async function ask(question: (request: IncomingMessage) => unknown): Promise<string> {
  const { host } = await serve(async (request, response) => {
    response.setHeader("Connection", "close");
    response.end(String(await question(request)));
  });
  const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nAuthorization: AuthMesh x\r\nContent-Length: 10\r\n\r\n`;
  return (await rawExchange(host, `${head}0123456789`)).split("\r\n\r\n")[1] ?? "";
}

const hashOf = (request: IncomingMessage) => nodeRequest(request).bodyHash(limits);

test("a body in one piece has the hash of its bytes", async () => {
  expect(await ask(hashOf)).toBe(sha256("0123456789"));
});

test("bytes that something else pushes beside those announced never pass for the body", async () => {
  const answer = await ask((request) => {
    request.push(Buffer.from("more"));
    return hashOf(request);
  });
  expect([sha256("0123456789"), sha256("more")]).not.toContain(answer);
});

test("a copy of a request has neither its tap nor its view", async () => {
  const answer = await ask((request) => {
    const view = nodeRequest(request);
    const copies = [Object.create(request), Object.assign(Object.create(null), request)];
    return [
      tapOf(request) !== undefined,
      nodeRequest(request) === view,
      ...copies.map((copy) => tapOf(copy) !== undefined),
    ].join();
  });
  expect(answer).toBe("true,true,false,false");
});
