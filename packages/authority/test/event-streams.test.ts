import { once } from "node:events";
import { connect } from "node:net";
import type { AmeshError } from "@authmesh/core";
import { createAdaptorServer } from "@hono/node-server";
import { expect, it, onTestFinished, vi } from "vitest";
import { type EventStream, EventStreams } from "../src/http/event-streams.js";

/** A real server whose every request opens a stream of the name in its path. */
async function serve(streams: EventStreams) {
  const opened: EventStream[] = [];
  const stops: string[] = [];
  const server = createAdaptorServer({
    fetch: (request, { outgoing }) => {
      const name = new URL(request.url).pathname;
      try {
        return streams.open(
          name,
          (stream) => {
            opened.push(stream);
            return () => void stops.push(name);
          },
          () => outgoing.destroy(),
        );
      } catch (error) {
        const { code, failure } = error as AmeshError;
        return Response.json({ code, wait: failure.retryAfterSeconds }, { status: failure.status });
      }
    },
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    streams.close();
    server.close();
  });
  const { port } = server.address() as { port: number };
  return { server, opened, stops, port, url: `http://127.0.0.1:${port}` };
}

it("tells what is sent, with an id where there is one, and ends", async () => {
  const streams = new EventStreams({ most: 10, mostOfOne: 3 });
  const { opened, stops, url } = await serve(streams);
  const answer = await fetch(`${url}/a`);
  expect(answer.headers.get("content-type")).toBe("text/event-stream");
  expect(answer.headers.get("cache-control")).toBe("no-store");
  opened[0]?.send("status", { line: "one\ntwo" });
  opened[0]?.send("status", { n: 2 }, "1.7");
  opened[0]?.end();
  opened[0]?.send("status", { n: 3 });
  expect(await answer.text()).toBe(
    ':\n\nevent: status\ndata: {"line":"one\\ntwo"}\n\nevent: status\nid: 1.7\ndata: {"n":2}\n\n',
  );
  expect(stops).toEqual(["/a"]);
  expect(streams.size).toBe(0);
});

it("gives signs of life", async () => {
  const { opened, url } = await serve(new EventStreams({ most: 10, mostOfOne: 3 }, 5));
  const reader = (await fetch(`${url}/a`)).body?.pipeThrough(new TextDecoderStream()).getReader();
  let heard = "";
  while (heard.length < 9) heard += (await reader?.read())?.value ?? "";
  expect(heard).toMatch(/^(:\n\n){3}/);
  opened[0]?.end();
});

it("has a bounded number of readers, and fewer of one", async () => {
  const { url, opened } = await serve(new EventStreams({ most: 4, mostOfOne: 3 }));
  const answers = [];
  for (const name of ["a", "a", "a", "a", "b", "c"]) answers.push(await fetch(`${url}/${name}`));
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 200, 429]);
  expect(await answers[3]?.json()).toEqual({ code: "rate_limited", wait: 15 });
  opened[0]?.end();
  expect((await fetch(`${url}/c`)).status).toBe(200);
});

it("lets go of a reader that goes away", async () => {
  const streams = new EventStreams({ most: 10, mostOfOne: 3 });
  const { stops, url } = await serve(streams);
  const going = new AbortController();
  await fetch(`${url}/a`, { signal: going.signal });
  going.abort();
  await vi.waitUntil(() => streams.size === 0, 5000);
  expect(stops).toEqual(["/a"]);
});

it("cuts off a reader that does not read", async () => {
  const streams = new EventStreams({ most: 10, mostOfOne: 3 });
  const { server, opened, port } = await serve(streams);
  const connections = () => new Promise((resolve) => server.getConnections((_, count) => resolve(count)));
  const socket = connect(port, "127.0.0.1").pause();
  onTestFinished(() => void socket.destroy());
  socket.write("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
  await vi.waitUntil(() => opened.length === 1, 5000);
  const data = { text: "x".repeat(100_000) };
  for (let sent = 0; sent < 1000 && streams.size > 0; sent++) {
    opened[0]?.send("status", data);
    await new Promise(setImmediate);
  }
  expect(streams.size).toBe(0);
  await expect.poll(connections, { timeout: 2000 }).toBe(0);
});

it("ends all at its close, and opens none after it", async () => {
  const streams = new EventStreams({ most: 10, mostOfOne: 3 });
  const { url } = await serve(streams);
  const answers = await Promise.all([fetch(`${url}/a`), fetch(`${url}/b`)]);
  streams.close();
  expect(await Promise.all(answers.map((answer) => answer.text()))).toEqual([":\n\n", ":\n\n"]);
  expect(await (await fetch(`${url}/c`)).json()).toMatchObject({ code: "authority_not_ready" });
});

it("stops at once what ended while it began", () => {
  const streams = new EventStreams({ most: 10, mostOfOne: 3 });
  let stopped = 0;
  streams.open("a", (stream) => {
    stream.end();
    return () => void stopped++;
  });
  expect([stopped, streams.size]).toEqual([1, 0]);
});
