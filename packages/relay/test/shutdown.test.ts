import { once } from "node:events";
import { createServer } from "node:net";
import { AmeshError } from "@authmesh/core";
import { describe, expect, onTestFinished, test } from "vitest";
import { createRelay } from "../src/server.js";
import { Device, pair, refusedUpgrade } from "./device.js";
import { RawSocket } from "./raw-socket.js";
import { startRelay } from "./running-relay.js";

const otc = "482916";

describe("a relay that closes", () => {
  test("says that it is not ready, takes nobody in and sends away who waits", async () => {
    const { relay, url, port } = await startRelay();
    const talking = await pair(url, "111111");
    const waiting = await Device.open(url);
    await waiting.ask({ type: "listen", otc });
    const silent = await Device.open(url);
    expect((await fetch(`http://127.0.0.1:${port}/ready`)).status).toBe(200);

    void relay.close();
    expect(await waiting.closed).toEqual({ code: 1001, reason: "relay_closing" });
    expect(await silent.closed).toEqual({ code: 1001, reason: "relay_closing" });
    const ready = await fetch(`http://127.0.0.1:${port}/ready`);
    expect([ready.status, await ready.json()]).toEqual([503, { status: "draining" }]);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    expect(await refusedUpgrade(url)).toMatchObject({ status: 503, body: { error: "relay_capacity" } });

    talking.controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await talking.target.next()).toEqual({ type: "data", payload: "AQ==" });
  });

  test("is closed as soon as the last pair is done", async () => {
    const { relay, url, port } = await startRelay();
    const { target, controller } = await pair(url);
    const closed = relay.close();
    controller.say({ type: "done" });
    expect(await target.closed).toEqual({ code: 1000, reason: "done" });
    await closed;
    await expect(fetch(`http://127.0.0.1:${port}/health`)).rejects.toThrow();
  });

  test("waits ten seconds for pairs, then sends them away", async () => {
    const { relay, url, pass } = await startRelay();
    const { target, controller } = await pair(url);
    const closed = relay.close();
    pass(9_999);
    await Promise.all([target.settle(), controller.settle()]);
    pass(1);
    expect(await target.closed).toEqual({ code: 1001, reason: "relay_closing" });
    expect(await controller.closed).toEqual({ code: 1001, reason: "relay_closing" });
    await closed;
  });

  test("ends connections that only keep their place", async () => {
    const { relay, port } = await startRelay();
    const raw = await RawSocket.connect(port);
    raw.stream.write("GET /health HTTP/1.1\r\nHost: relay\r\n");
    const answered = await fetch(`http://127.0.0.1:${port}/health`);
    await answered.text();
    await relay.close();
    await raw.closed();
  });

  test("closes once, however often it is asked", async () => {
    const { relay } = await startRelay();
    await Promise.all([relay.close(), relay.close()]);
    await relay.close();
  });
});

describe("a relay that cannot listen", () => {
  test("says so, and can be closed", async () => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    onTestFinished(() => void taken.close());
    const address = taken.address();
    const port = typeof address === "object" && address ? address.port : 0;
    const relay = createRelay({ host: "127.0.0.1", port });
    const error = await relay.listen().catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AmeshError);
    expect(error).toMatchObject({ code: "relay_cannot_listen" });
    expect(String(error)).toContain("EADDRINUSE");
    await relay.close();
  });

  test.each([
    [{ port: -1 }],
    [{ port: 65_536 }],
    [{ port: 1.5 }],
    [{ trustProxy: -1 }],
    [{ trustProxy: Number.NaN }],
    [{ allowOrigins: ["example.com"] }],
    [{ allowOrigins: ["https://example.com/"] }],
    [{ allowOrigins: ["*"] }],
    [{ limits: { "relay.sessions": 0 } }],
  ])("because its options are %j is a TypeError", (options) => {
    expect(() => createRelay(options)).toThrow(TypeError);
  });
});
