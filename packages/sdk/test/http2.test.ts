import { type ClientHttp2Session, connect, createServer, type IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import { createClient, type Decision, type VerifyOptions } from "@authmesh/sdk";
import { protect, verify } from "@authmesh/sdk/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import { http2 } from "./adapters/wire-http2.js";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";

const caller = makeIdentity();
const client = createClient({ identity: caller });
const decisions: Decision[] = [];
const options: VerifyOptions = {
  allowList: new MemoryTrust().trust(caller),
  logger: silent,
  onDecision: (decision) => void decisions.push(decision),
};

let server = createServer();
let session: ClientHttp2Session;
let host = "";

beforeEach(async () => {
  decisions.length = 0;
  server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  session = connect(`http://${host}`);
});

afterEach(() => {
  session.destroy();
  server.close();
});

/** Begins a signed POST, whose body the caller writes. */
async function post(more: IncomingHttpHeaders = {}) {
  const signed = await client.headers(`http://${host}/`, { method: "POST" });
  const stream = session.request({ ":method": "POST", authorization: signed["Authorization"], ...more });
  stream.on("error", () => {});
  const closed = new Promise<number>((resolve) => stream.on("close", () => resolve(stream.rstCode)));
  const status = new Promise<unknown>((resolve) =>
    stream.on("response", (headers) => resolve(headers[":status"])),
  );
  return { stream, closed, status };
}

test("a body that is refused before its end closes its stream, and the connection goes on", async () => {
  server.on(
    "request",
    protect((_request, response) => response.end("in"), {
      ...options,
      maxBodyBytes: 10,
      audience: host,
    }) as never,
  );
  const refused = await post();
  refused.stream.write("x".repeat(11));
  expect(await refused.status).toBe(413);
  refused.stream.resume();
  expect(await refused.closed).toBe(0);
  const next = await post({ host });
  next.stream.end();
  expect(await next.status).toBe(200);
});

test.each(["the stream is reset", "the connection breaks"])(
  "an upload is known as broken off when %s",
  async (how) => {
    server.on("request", protect(() => {}, { ...options, audience: host }) as never);
    if (how === "the connection breaks") {
      const { stream } = await post();
      stream.write("half", () => session.destroy());
    } else {
      const signed = await client.headers(`http://${host}/`, { method: "POST" });
      await http2(host, {
        method: "POST",
        target: "/",
        hosts: [host],
        headers: Object.entries(signed),
        body: { pieces: [Buffer.from("half")], length: undefined, ending: "break" },
      });
    }
    await expect
      .poll(() => decisions.map((each) => !each.allowed && each.failure.code))
      .toEqual(["body_incomplete"]);
  },
);

test("a response that was begun before the refusal is broken off, and nothing else", async () => {
  const guard = verify({ ...options, audience: host });
  let handled = 0;
  server.on("request", (request, response) => {
    response.writeHead(200);
    response.write("begun");
    guard(request, response, () => handled++);
  });
  const { stream, closed } = await post({ authorization: "none" });
  stream.resume().end();
  expect([await closed, handled, session.destroyed]).toEqual([2, 0, false]);
});
