import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebhookAuditSink } from "../../src/audit/index.js";
import { event } from "./fixture.js";

interface Received {
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A server that keeps what it is sent and answers as it is told. */
async function receiver(answer: (response: ServerResponse) => void = (response) => void response.end()) {
  const received: Received[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    received.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`, received };
}

test("a batch is one request, with headers that are asked for each time", async () => {
  const { url, received } = await receiver();
  let secret = "one";
  const sink = new WebhookAuditSink({ url, headers: async () => ({ Authorization: `Bearer ${secret}` }) });
  const events = [event("a"), event("b")];
  await sink.write(events);
  secret = "two";
  await sink.write([event("c")]);
  expect(received.map(({ headers }) => headers.authorization)).toEqual(["Bearer one", "Bearer two"]);
  expect(received[0]?.headers["content-type"]).toBe("application/cloudevents-batch+json");
  expect(JSON.parse(received[0]?.body ?? "")).toEqual(events);
});

test("a request is bounded, and a large event goes alone", async () => {
  const { url, received } = await receiver();
  const large = event("large", true, { text: "x".repeat(2000) });
  await new WebhookAuditSink({ url, maxBytes: 1000 }).write([event("a"), event("b"), large, event("c")]);
  const ids = received.map(({ body }) => JSON.parse(body).map(({ id }: { id: string }) => id));
  expect(ids).toEqual([["a", "b"], ["large"], ["c"]]);
});

test.each<[string, (response: ServerResponse) => void, string]>([
  ["an error", (response) => response.writeHead(500).end(), "answered 500"],
  ["a refusal", (response) => response.writeHead(403).end(), "answered 403"],
  [
    "a redirect",
    (response) => response.writeHead(307, { Location: "http://127.0.0.1:9/" }).end(),
    "answered 307",
  ],
  ["a connection that breaks", (response) => void response.destroy(), "cannot be reached"],
])("%s is a failure", async (_, answer, message) => {
  const { url, received } = await receiver(answer);
  await expect(new WebhookAuditSink({ url }).write([event("a")])).rejects.toMatchObject({
    code: "audit_unavailable",
    message: expect.stringContaining(message),
  });
  expect(received).toHaveLength(1);
});

test("an answer that never ends is not waited for", async () => {
  const { url } = await receiver((response) => void response.writeHead(200).write("x"));
  await new WebhookAuditSink({ url }).write([event("a")]);
});

test("a server that does not answer is given up when nobody waits any more", async () => {
  const limit = new AbortController();
  const { url } = await receiver(() => limit.abort(new Error("enough")));
  await expect(new WebhookAuditSink({ url }).write([event("a")], limit.signal)).rejects.toThrow("enough");
});

test.each(["http://example.com/", "ftp://127.0.0.1/", "not a URL", "http://127.0.0.1.example.com/"])(
  "%s is refused as a URL",
  (url) => {
    expect(() => new WebhookAuditSink({ url })).toThrow(TypeError);
  },
);
