import { describe, expect, onTestFinished, test } from "vitest";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import { Device } from "./device.js";
import { startRelay } from "./running-relay.js";

const otc = "482916";

async function startInstances() {
  const redis = await RedisServer.start(onTestFinished);
  const [one, other] = await Promise.all([
    startRelay({ redisUrl: redis.url }),
    startRelay({ redisUrl: redis.url }),
  ]);
  return { redis, one, other };
}

describe("two instances that share a Redis", () => {
  test("bring two devices together, hand on what they say and end with done", async () => {
    const { one, other } = await startInstances();
    const target = await Device.open(one.url);
    expect(await target.ask({ type: "listen", otc })).toEqual({ type: "listening", expiresIn: 60 });
    const controller = await Device.open(other.url);
    expect(await controller.ask({ type: "connect", otc })).toEqual({ type: "peer_found" });
    expect(await target.next()).toEqual({ type: "peer_found" });
    controller.say({ type: "data", payload: Uint8Array.of(0, 250, 255) });
    expect(await target.next()).toEqual({ type: "data", payload: "APr/" });
    target.say({ type: "data", payload: new Uint8Array() });
    expect(await controller.next()).toEqual({ type: "data", payload: "" });
    controller.say({ type: "done" });
    expect(await target.next()).toEqual({ type: "done" });
    expect(await target.closed).toEqual({ code: 1000, reason: "done" });
    expect(await controller.closed).toEqual({ code: 1000, reason: "done" });
  });
});
