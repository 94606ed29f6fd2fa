import { failure } from "@authmesh/core";
import type { OpenIdentity } from "@authmesh/keystore";
import { invite, listen, type PairingEvent } from "@authmesh/sdk/pairing";
import fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { socketFailure } from "../../src/pairing/relay-failures.js";
import { defaultRelay } from "../../src/pairing/relay-url.js";
import { endsAfter, holdTime } from "./held-time.js";
import { newMachine } from "./machine.js";
import {
  closedPort,
  startDeafServer,
  startHttpServer,
  startTcpServer,
  startWebSocketServer,
} from "./strange-server.js";
import { deferred, type Ended, follow, startRelay } from "./two-people.js";

let identity: OpenIdentity;
beforeEach(async () => {
  identity = await newMachine("prod-api");
});

/** Both verbs have to cope, and what a relay says before the handshake begins. */
const verbs: readonly (readonly [string, (relay: string) => AsyncIterable<PairingEvent>, string[]])[] = [
  [
    "listen",
    (relay) => listen({ identity, relay, verificationCode: async () => "123456" }),
    ['{"type":"listening","expiresIn":60}', '{"type":"peer_found"}'],
  ],
  ["invite", (relay) => invite("482916", { identity, relay }), ['{"type":"peer_found"}']],
];

describe.each(verbs)("%s, when the relay", (_, verb, opening) => {
  const endAt = (relay: string): Promise<Ended> => follow(verb(relay));

  it("is not there, says so and how to start one", async () => {
    const url = await closedPort();
    const ended = await endAt(url);
    expect(ended).toMatchObject({
      events: [],
      error: "relay_unreachable",
      detail: `The relay ${url} cannot be reached: nothing listens there.`,
    });
  });

  it.each([
    [200, "relay_protocol_error"],
    [302, "relay_protocol_error"],
    [401, "relay_protocol_error"],
    [404, "relay_protocol_error"],
    [426, "relay_protocol_error"],
    [429, "rate_limited"],
    [500, "relay_protocol_error"],
    [502, "relay_unreachable"],
    [503, "relay_capacity"],
    [504, "relay_unreachable"],
  ])("answers HTTP %i, fails with %s", async (status, code) => {
    const url = await startHttpServer((_request, response) => {
      response.writeHead(status, { Location: "ws://127.0.0.1:1/ws" });
      response.end("x".repeat(1000));
    });
    expect(await endAt(url)).toMatchObject({ events: [], error: code });
  });

  it.each([
    ["speaks another protocol", "SSH-2.0-OpenSSH_9.2\r\n", "relay_protocol_error"],
    [
      "upgrades to something else",
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
      "relay_protocol_error",
    ],
    ["hangs up", undefined, "relay_unreachable"],
  ])("%s, fails", async (_what, answer, code) => {
    const url = await startTcpServer((socket) => {
      socket.once("data", () => (answer === undefined ? socket.destroy() : socket.write(answer)));
    });
    expect(await endAt(url)).toMatchObject({ events: [], error: code });
  });

  it("does not speak TLS, says so", async () => {
    const url = await startTcpServer((socket) => {
      socket.once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    });
    const ended = await endAt(url.replace("ws:", "wss:"));
    expect(ended).toMatchObject({ error: "relay_unreachable", detail: expect.stringContaining("TLS") });
  });

  it.each<[string, (socket: WebSocket) => void]>([
    ["sends no JSON", (socket) => socket.send("hello")],
    ["sends an array", (socket) => socket.send("[]")],
    ["sends an unknown type", (socket) => socket.send('{"type":"welcome"}')],
    ["sends an unknown error", (socket) => socket.send('{"type":"error","code":"teapot"}')],
    ["sends bytes", (socket) => socket.send(Buffer.from('{"type":"done"}'), { binary: true })],
    ["sends a frame that is too large", (socket) => socket.send("x".repeat(70_000))],
    ["sends data before anybody was found", (socket) => socket.send('{"type":"data","payload":""}')],
    ["says done at once", (socket) => socket.send('{"type":"done"}')],
    ["names a life of no time", (socket) => socket.send('{"type":"listening","expiresIn":-1}')],
    [
      "does not stop",
      (socket) => {
        for (let i = 0; i < 100; i++) socket.send('{"type":"peer_found"}');
      },
    ],
  ])("%s, fails as it must", async (_what, talk) => {
    const { url } = await startWebSocketServer(talk);
    const ended = await endAt(url);
    expect(ended.error).toBe("relay_protocol_error");
  });

  it.each([
    "otc_not_found",
    "otc_expired",
    "peer_already_connected",
    "rate_limited",
    "relay_capacity",
    "frame_too_large",
    "bad_message",
    "otc_in_use",
  ])("answers %s, fails with that", async (code) => {
    const { url } = await startWebSocketServer((socket) =>
      socket.send(JSON.stringify({ type: "error", code })),
    );
    expect(await endAt(url)).toMatchObject({ events: [], error: code });
  });

  it("does not answer at all, waits ten seconds", async () => {
    holdTime();
    const asked = deferred<void>();
    const url = await startTcpServer((socket) => socket.once("data", () => asked.resolve()));
    const ending = endAt(url);
    await asked.promise;
    expect(await endsAfter(10, ending)).toMatchObject({
      events: [],
      error: "relay_unreachable",
      detail: expect.stringContaining("no answer in 10 seconds"),
    });
  });

  it("takes the code and says nothing, waits ten seconds", async () => {
    holdTime();
    const { url, heard } = await startWebSocketServer(() => {});
    const ending = endAt(url);
    await heard;
    expect(await endsAfter(10, ending)).toMatchObject({ events: [], error: "relay_protocol_error" });
  });

  it("finds a peer and then says nothing, waits 150 seconds", async () => {
    holdTime();
    const { url, heard } = await startWebSocketServer((socket, text) => {
      if (!text.includes("data")) for (const said of opening) socket.send(said);
    });
    const ending = endAt(url);
    await heard;
    expect((await endsAfter(150, ending)).error).toBe("pairing_timeout");
  });

  it("does not even close, is left after two seconds", async () => {
    holdTime();
    const { url, left } = await startDeafServer();
    const ending = endAt(url);
    await left;
    expect((await endsAfter(2, ending)).error).toBe("relay_protocol_error");
  });

  it("says whatever it likes, ends with an error of the catalogue", async () => {
    const valid = fc.constantFrom(
      '{"type":"listening","expiresIn":60}',
      '{"type":"peer_found"}',
      '{"type":"done"}',
      '{"type":"error","code":"otc_expired"}',
    );
    const data = fc
      .uint8Array({ maxLength: 200 })
      .map((bytes) => JSON.stringify({ type: "data", payload: Buffer.from(bytes).toString("base64") }));
    const talk = fc.array(fc.oneof(valid, data, fc.json(), fc.string(), fc.uint8Array()), { maxLength: 12 });
    let script: readonly (string | Uint8Array)[] = [];
    const { url } = await startWebSocketServer((socket) => {
      for (const said of script) socket.send(said);
      script = [];
      socket.close();
    });
    await fc.assert(
      fc.asyncProperty(talk, async (said) => {
        script = [...opening, ...said];
        const ended = await follow(verb(url));
        expect(ended.error).toEqual(expect.any(String));
      }),
      { numRuns: 60 },
    );
  });
});

describe("listen", () => {
  it("gives a code up after its minute when the relay does not", async () => {
    holdTime();
    const { url } = await startWebSocketServer((socket) =>
      socket.send('{"type":"listening","expiresIn":86400}'),
    );
    const shown = deferred<void>();
    const ending = follow(listen({ identity, relay: url, verificationCode: async () => "" }), (event) => {
      expect(event).toMatchObject({ event: "code", expiresIn: 60 });
      shown.resolve();
    });
    await shown.promise;
    expect((await endsAfter(70, ending)).error).toBe("otc_expired");
  });

  it("leaves a relay that does not stop sending, even while nobody looks at the events", async () => {
    const left = deferred<void>();
    const { url } = await startWebSocketServer((socket) => {
      socket.on("close", () => left.resolve());
      socket.send('{"type":"listening","expiresIn":60}');
      for (let i = 0; i < 100; i++) socket.send('{"type":"peer_found"}');
    });
    const side = listen({ identity, relay: url, verificationCode: async () => "" });
    expect((await follow(side, () => left.promise)).error).toBe("relay_protocol_error");
  });

  it("is a TypeError without anybody to ask", async () => {
    await expect(follow(listen({} as never))).rejects.toThrow(TypeError);
  });
});

describe("a relay that goes by its limits", () => {
  it("is understood when it has no room", async () => {
    const { url } = await startRelay({ limits: { "relay.sockets": 1 } });
    const taken = deferred<void>();
    const stop = new AbortController();
    const options = { identity, relay: url, verificationCode: async () => "" };
    const first = follow(listen({ ...options, signal: stop.signal }), () => void taken.resolve());
    await taken.promise;
    expect(await follow(listen(options))).toMatchObject({ events: [], error: "relay_capacity" });
    stop.abort();
    await first;
  });

  it("is understood when there were too many attempts", async () => {
    const { url } = await startRelay({ limits: { "address.failures": 1 } });
    expect((await follow(invite("482916", { identity, relay: url }))).error).toBe("otc_not_found");
    expect((await follow(invite("482916", { identity, relay: url }))).error).toBe("rate_limited");
  });
});

describe("what the network did", () => {
  const networkError = (code: string) => Object.assign(new Error(`connect ${code}`), { code });

  it("is told in plain words, and of the default relay that it is the default", () => {
    expect(socketFailure(defaultRelay, networkError("ENOTFOUND"))).toEqual(
      failure(
        "relay_unreachable",
        "The default relay wss://relay.authmesh.dev/ws cannot be reached: nobody knows this name.",
      ),
    );
  });

  it("keeps its code where there are no words for it", () => {
    expect(socketFailure("ws://127.0.0.1:3001/ws", networkError("CERT_HAS_EXPIRED")).detail).toContain(
      "CERT_HAS_EXPIRED",
    );
  });
});
