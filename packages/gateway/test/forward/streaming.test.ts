import { once } from "node:events";
import { request as httpRequest, type IncomingMessage } from "node:http";
import * as http2 from "node:http2";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { AmeshError } from "@authmesh/core";
import { type Schedule, unreferencedTimer } from "@authmesh/oath/timing";
import { describe, expect, it } from "vitest";
import type { Admitted } from "../../src/admit/admission.js";
import {
  ask,
  askRaw,
  closingAfterEach,
  type Listening,
  readAll,
  type Stage,
  type StageOptions,
  serve,
  serveRaw,
  setStage,
  upstreamSettings,
} from "./stage.js";

const opened = closingAfterEach();

const stageBefore = async (upstream: Listening, more: Partial<StageOptions> = {}): Promise<Stage> => {
  opened(upstream);
  return opened(await setStage({ upstreams: [upstreamSettings([upstream.url])], ...more }));
};

/** An upstream that answers each request with these bytes, once it has read its head. */
const saying = (bytes: string, end = true) =>
  serveRaw((socket) =>
    socket.once("data", () => {
      if (end) socket.end(bytes, "latin1");
      else socket.write(bytes, "latin1");
    }),
  );

interface Http2Answer {
  readonly headers: http2.IncomingHttpHeaders & http2.IncomingHttpStatusHeader;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
  readonly body: string;
}

async function askHttp2(
  port: number,
  headers: http2.OutgoingHttpHeaders,
  body?: Readable | string,
): Promise<Http2Answer> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on("error", () => {});
  try {
    const stream = session.request(headers, { endStream: body === undefined });
    let trailers: http2.IncomingHttpHeaders | undefined;
    stream.on("trailers", (given) => {
      trailers = given;
    });
    if (body instanceof Readable) body.pipe(stream);
    else if (body !== undefined) stream.end(body);
    const [answer] = (await once(stream, "response")) as [Http2Answer["headers"]];
    return { headers: answer, body: await readAll(stream), trailers };
  } finally {
    session.destroy();
  }
}

describe("bodies", () => {
  it("of known length keep it, and others come in chunks", async () => {
    const stage = await stageBefore(
      await serve(async (request, response) => {
        const { "content-length": length, "transfer-encoding": coding } = request.headers;
        response.end(JSON.stringify([length ?? null, coding ?? null, (await readAll(request)).length]));
      }),
    );
    const large = "x".repeat(300_000);
    const streamed = () => Readable.from([large, large]);
    expect((await ask(stage.port, { method: "PUT", body: large })).body).toBe('["300000",null,300000]');
    expect((await ask(stage.port, { method: "PUT", body: streamed() })).body).toBe('[null,"chunked",600000]');
    const deleted = await ask(stage.port, {
      method: "DELETE",
      body: "x",
      headers: { "Content-Length": "1" },
    });
    expect(deleted.body).toBe('["1",null,1]');
    expect((await ask(stage.port, { method: "POST", headers: { "Content-Length": "0" } })).body).toBe(
      '["0",null,0]',
    );
    expect((await ask(stage.port)).body).toBe("[null,null,0]");
  });

  it("flow no faster than they are taken, both ways", async () => {
    let sent = 0;
    const stage = await stageBefore(
      await serve((request, response) => {
        if (request.method === "PUT") return; // takes nothing
        const more = () => {
          let goesOn = true;
          while (goesOn) {
            sent += 65_536;
            goesOn = response.write(Buffer.alloc(65_536));
          }
        };
        response.on("drain", more);
        more();
      }),
    );
    const slow = httpRequest({ port: stage.port, agent: false }).end();
    const [answer] = (await once(slow, "response")) as [IncomingMessage];
    const upload = httpRequest({ port: stage.port, method: "PUT", agent: false });
    upload.on("error", () => {});
    for (let i = 0; i < 1000; i++) upload.write(Buffer.alloc(65_536));
    await settled(() => sent);
    await settled(() => upload.writableLength);
    // What the kernel's buffers take on the way is no more than some megabytes; an eager relay would read on.
    expect(sent).toBeLessThan(30_000_000);
    expect(upload.writableLength).toBeGreaterThan(30_000_000);
    const before = sent;
    answer.resume();
    await changed(() => sent, before);
    answer.destroy();
    upload.destroy();
  });

  it("that come without a length until the connection ends are passed on (HTTP/1.0)", async () => {
    const stage = await stageBefore(await saying("HTTP/1.0 200 OK\r\nServer: old\r\n\r\nhello"));
    expect(await ask(stage.port)).toMatchObject({ status: 200, body: "hello", headers: { server: "old" } });
    expect(await askRaw(stage.port, "GET / HTTP/1.0\r\nHost: a\r\n\r\n")).toMatch(/\r\n\r\nhello$/);
    const seen: string[] = [];
    const upstream = await serve((request, response) => {
      seen.push(...request.rawHeaders.slice(0, 2));
      response.end();
    });
    const second = await stageBefore(upstream);
    await askRaw(second.port, "GET / HTTP/1.0\r\n\r\n");
    expect(seen).toEqual(["host", `127.0.0.1:${upstream.port}`]);
  });

  it.each([
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "5"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nConnection: close\r\n\r\n", 304, "5"],
    ["GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, undefined],
  ])("that are none stay none: %s, %j", async (method, bytes, status, length) => {
    const stage = await stageBefore(await saying(bytes));
    const answer = await ask(stage.port, { method });
    expect([answer.status, answer.headers["content-length"], answer.body]).toEqual([status, length, ""]);
    expect(stage.log).toEqual([]);
  });
});

describe("answers", () => {
  it("that come piece by piece, as server-sent events do, are passed on at once, their head too", async () => {
    let say = (_: string) => {};
    const stage = await stageBefore(
      await serve((_, response) => {
        response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
        say = (text) => response.write(text);
      }),
      { route: { idleTimeoutMs: 0 } },
    );
    const request = httpRequest({ port: stage.port, agent: false }).end();
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    for (const event of ["data: 1\n\n", "data: 2\n\n"]) {
      say(event);
      expect(String(await once(answer, "data"))).toBe(event);
    }
    request.destroy();
  });

  const withTrailers =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 42\r\nSet-Cookie: no\r\n\r\n";

  it("keep their trailers", async () => {
    const stage = await stageBefore(await saying(withTrailers));
    const answer = await ask(stage.port);
    expect(answer.body).toBe("hello");
    expect(answer.headers["trailer"]).toBe("X-Sum");
    expect(answer.trailers).toEqual({ "x-sum": "42" });
    expect(await askRaw(stage.port, "GET / HTTP/1.0\r\n\r\n")).not.toMatch(/X-Sum|trailer/i);
  });

  it("keep their trailers over HTTP/2, and lose what is of HTTP/1.1", async () => {
    const stage = await stageBefore(
      await saying(
        withTrailers.replace("Trailer:", "Set-Cookie: a\r\nSet-Cookie: b\r\nKeep-Alive: 5\r\nTrailer:"),
      ),
      { http2: true },
    );
    const answer = await askHttp2(stage.port, { ":path": "/", cookie: ["a=1", "b=2"] });
    expect(answer.body).toBe("hello");
    expect({ ...answer.headers }).toMatchObject({
      ":status": 200,
      "set-cookie": ["a", "b"],
      trailer: "X-Sum",
    });
    expect(answer.headers).not.toHaveProperty("keep-alive");
    expect(Object.keys(answer.trailers ?? {})).toEqual(["x-sum"]);
  });

  it("reach callers of HTTP/2, and their bodies the upstream", async () => {
    const stage = await stageBefore(
      await serve(async (request, response) => {
        const body = await readAll(request);
        response.end(
          JSON.stringify([request.method, request.headers.host, request.headers.cookie, body.length]),
        );
      }),
      { http2: true },
    );
    const headers = {
      ":path": "/",
      ":method": "POST",
      ":authority": "api.example.com",
      cookie: ["a=1", "b=2"],
    };
    const answer = await askHttp2(stage.port, headers, Readable.from(["x".repeat(200_000)]));
    expect(JSON.parse(answer.body)).toEqual(["POST", "api.example.com", "a=1; b=2", 200_000]);
    const head = await askHttp2(stage.port, { ":path": "/", ":method": "HEAD" });
    expect([head.headers[":status"], head.body]).toEqual([200, ""]);
  });

  it("that only announce another are not passed on, and a flood of them is no answer", async () => {
    const hints = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n";
    const stage = await stageBefore(
      await saying(`${hints.repeat(3)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi`),
    );
    expect(await askRaw(stage.port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).toMatch(
      /^HTTP\/1\.1 200 OK\r\n(?!.*103)/s,
    );
    const flooding = await stageBefore(await saying(hints.repeat(100), false));
    expect(JSON.parse((await ask(flooding.port)).body).error).toBe("upstream_garbled");
  });

  it("that come before the body was sent are passed on, over both versions", async () => {
    const early = () =>
      serve((_, response) => response.writeHead(413, { "Content-Type": "text/plain" }).end("too much"));
    const endless = () =>
      new Readable({
        read(size) {
          setImmediate(() => this.push(Buffer.alloc(Math.min(size, 1024))));
        },
      });
    const stage = await stageBefore(await early());
    const body = endless();
    const request = httpRequest({ port: stage.port, method: "PUT", agent: false });
    request.on("error", () => {});
    body.pipe(request);
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    expect(answer.statusCode).toBe(413);
    expect(await readAll(answer)).toBe("too much");
    body.destroy();
    request.destroy();

    const second = await stageBefore(await early(), { http2: true });
    const upload = endless();
    expect(await askHttp2(second.port, { ":path": "/", ":method": "PUT" }, upload)).toMatchObject({
      headers: { ":status": 413 },
      body: "too much",
    });
    upload.destroy();
  });
});

describe("an upstream", () => {
  it.each([
    ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!"],
    [
      "a length beside chunks",
      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ],
    ["another coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
    ["a switch that nobody asked for", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
    ["too many headers", `HTTP/1.1 200 OK\r\nX: ${"y".repeat(70_000)}\r\n\r\n`],
    ["half a head", "HTTP/1.1 200 O"],
    ["a status that is none", "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"],
    ["a control character", "HTTP/1.1 200 OK\r\nX: a\u0001b\r\nContent-Length: 0\r\n\r\n"],
  ])("that answers with %s is garbled", async (_, bytes) => {
    const stage = await stageBefore(await saying(bytes));
    const answer = await ask(stage.port);
    expect([answer.status, JSON.parse(answer.body).error]).toEqual([502, "upstream_garbled"]);
    expect(stage.forwarder.status().upstreams).toMatchObject([{ pending: 0 }]);
  });

  it("that says more than its answer loses its connection, and nobody gets the rest", async () => {
    const stage = await stageBefore(
      await saying(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        false,
      ),
    );
    const [first, second] = [await ask(stage.port), await ask(stage.port)];
    expect([first.body, second.body]).toEqual(["hi", "hi"]);
  });

  it("that closes before it answers is a 502, and nobody is asked in its place", async () => {
    let asked = 0;
    const closing = async () =>
      opened(
        await serveRaw((socket) =>
          socket.once("data", () => {
            asked += 1;
            socket.destroy();
          }),
        ),
      ).url;
    const stage = opened(
      await setStage({ upstreams: [upstreamSettings([await closing(), await closing()])] }),
    );
    expect(JSON.parse((await ask(stage.port)).body).error).toBe("upstream_unreachable");
    expect(asked).toBe(1);
  });

  it.each([
    ["length", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"],
    ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"],
    ["broken chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"],
  ])("that breaks off in its answer breaks the caller's connection: %s", async (_, bytes) => {
    const upstream = await saying(bytes);
    const stage = await stageBefore(upstream);
    await expect(ask(stage.port)).rejects.toMatchObject({ code: "ECONNRESET" });
    const second = opened(await setStage({ upstreams: [upstreamSettings([upstream.url])], http2: true }));
    await expect(askHttp2(second.port, { ":path": "/" })).rejects.toMatchObject({
      code: "ERR_HTTP2_STREAM_ERROR",
    });
  });

  it("that is slow is a 504: with the head of its answer", async () => {
    const stage = await stageBefore(await serve(() => {}), { route: { answerTimeoutMs: 50 } });
    const answer = await ask(stage.port);
    expect([answer.status, JSON.parse(answer.body).error]).toEqual([504, "upstream_timeout"]);
  });

  it("that falls silent in its answer breaks the caller's connection", async () => {
    const stage = await stageBefore(
      await saying("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", false),
      {
        route: { idleTimeoutMs: 50 },
      },
    );
    await expect(ask(stage.port)).rejects.toMatchObject({ code: "ECONNRESET" });
    expect(stage.log).toMatchObject([{ fields: { code: "upstream_timeout" } }]);
  });
});

describe("a caller that would no longer be let in", () => {
  /** The second after which requests are watched is shorter here, and what is said of the caller in tests' hands. */
  const watched = () => {
    const watches: ((reason: AmeshError) => void)[] = [];
    const watch: Admitted["watch"] = (lost) => {
      watches.push(lost);
      return () => void watches.splice(watches.indexOf(lost), 1);
    };
    const schedule: Schedule = (work, ms) => unreferencedTimer(work, ms === 1000 ? 10 : ms);
    return { watches, admitted: { watch }, scene: { schedule } };
  };
  const revoked = () => new AmeshError("device_revoked");
  let left = new Set<string>();
  const events = () =>
    serve((request, response) => {
      left = new Set();
      request.socket.once("close", () => left.add(request.method ?? ""));
      request.resume();
      if (request.method === "PUT") return;
      response.writeHead(200, { "Content-Type": "text/event-stream" }).write("data: 1\n\n");
    });

  it.each([[false], [true]])(
    "gets no more of its answer, and the upstream is let go of: HTTP/2 %s",
    async (http2) => {
      const { watches, ...more } = watched();
      const upstream = await events();
      const stage = await stageBefore(upstream, { ...more, http2, route: { idleTimeoutMs: 0 } });
      const over = http2 ? askHttp2(stage.port, { ":path": "/" }) : ask(stage.port);
      const failed = expect(over).rejects.toMatchObject({
        code: http2 ? "ERR_HTTP2_STREAM_ERROR" : "ECONNRESET",
      });
      await changed(() => watches.length, 0);
      watches[0]?.(revoked());
      await failed;
      await settled(() => stage.running.size + left.size);
      expect([stage.running.size, [...left], watches]).toEqual([0, ["GET"], []]);
      expect(stage.log).toMatchObject([{ fields: { code: "device_revoked" } }]);
    },
  );

  it("has its body cut off, and is told", async () => {
    const { watches, ...more } = watched();
    const stage = await stageBefore(await events(), more);
    const request = httpRequest({ port: stage.port, method: "PUT", agent: false });
    request.on("error", () => {});
    request.write("a beginning");
    await changed(() => watches.length, 0);
    watches[0]?.(revoked());
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    expect([answer.statusCode, JSON.parse(await readAll(answer)).error]).toEqual([401, "unauthorized"]);
    await settled(() => stage.running.size + left.size);
    expect([stage.running.size, [...left]]).toEqual([0, ["PUT"]]);
    request.destroy();
  });

  it("as its token expired has the time of any answer, and no more", async () => {
    const { watches, ...more } = watched();
    const route = { idleTimeoutMs: 0, answerTimeoutMs: 400 };
    const stage = await stageBefore(await events(), { ...more, route });
    const begun = performance.now();
    const over = expect(ask(stage.port)).rejects.toMatchObject({ code: "ECONNRESET" });
    await changed(() => watches.length, 0);
    watches[0]?.(new AmeshError("token_expired"));
    await over;
    expect(performance.now() - begun).toBeGreaterThan(395);
  });

  it("is not asked about where its request is short, or nobody's", async () => {
    const { watches, ...more } = watched();
    const later: (() => void)[] = [];
    const schedule: Schedule = (work, ms) => {
      if (ms === 1000) later.push(work);
      return () => {};
    };
    const short = await stageBefore(await serve((_, response) => response.end()), {
      ...more,
      scene: { schedule },
    });
    let asked = 0;
    const watch = () => {
      asked += 1;
      return () => {};
    };
    await Promise.all([ask(short.port), ask(short.port)]);
    await settled(() => short.running.size);
    expect(later).toHaveLength(1);
    later[0]?.();
    expect(watches).toEqual([]);
    const open = await stageBefore(await events(), { ...more, admitted: { caller: undefined, watch } });
    const request = httpRequest({ port: open.port, agent: false }).end();
    const [answer] = (await once(request, "response")) as [IncomingMessage];
    await once(answer, "data");
    for (let i = 0; i < 3; i++) await turn();
    expect(asked).toBe(0);
    request.destroy();
  });
});

describe("a caller", () => {
  it.each([["GET"], ["PUT"]])("that leaves takes its request at the upstream along: %s", async (method) => {
    let left = (_: unknown) => {};
    const gone = new Promise((resolve) => {
      left = resolve;
    });
    let arrived = (_: unknown) => {};
    const here = new Promise((resolve) => {
      arrived = resolve;
    });
    const upstream = await serve((request) => {
      arrived(0);
      request.resume();
      request.socket.once("close", left);
    });
    const stage = await stageBefore(upstream, { route: { answerTimeoutMs: 60_000 } });
    const request = httpRequest({ port: stage.port, method, agent: false });
    request.on("error", () => {});
    if (method === "PUT") request.write("a beginning");
    else request.end();
    await here;
    request.destroy();
    await gone;
    await settled(() => stage.running.size);
    expect(stage.running.size).toBe(0);
    expect(stage.forwarder.status().upstreams).toMatchObject([{ pending: 0 }]);
    expect(stage.log).toEqual([]);
  });

  it("that does not read its answer is let go of", async () => {
    const stage = await stageBefore(await serve((_, response) => response.end(Buffer.alloc(50_000_000))), {
      route: { idleTimeoutMs: 100 },
    });
    const socket = connect(stage.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    await once(socket, "readable");
    await changed(() => stage.running.size, 1);
    expect(stage.forwarder.status().upstreams).toMatchObject([{ pending: 0 }]);
    socket.destroy();
  });
});

const turn = () => new Promise((resolve) => setTimeout(resolve, 20));

/** Waits until a number has stopped changing. */
async function settled(read: () => number): Promise<void> {
  for (let last = -1, same = 0; same < 5; last = read()) {
    await turn();
    same = read() === last ? same + 1 : 0;
  }
}

async function changed(read: () => number, from: number): Promise<void> {
  while (read() === from) await turn();
}
