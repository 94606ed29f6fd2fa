import { setImmediate as turn } from "node:timers/promises";
import { type ClientMessage, doWork, type RelayChallenge, workIsDone } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { workFor } from "../src/heat.js";
import { Device, pair } from "./device.js";
import { startRelay } from "./running-relay.js";

const otc = "482916";
const error = (code: string) => ({ type: "error", code });
const badMessage = { code: 1008, reason: "bad_message" };

/** A relay of which so much is used: `misses` of those that all addresses together may have in a minute, one may have 1. */
async function startHotRelay(misses = 2, bound = 4) {
  const limits = { "address.failures": 1, "relay.failures": bound };
  const running = await startRelay({ trustProxy: 1, limits });
  for (let i = 0; i < misses; i++) {
    const guess = await Device.open(running.url, `203.0.113.${i}`);
    expect(await guess.ask({ type: "connect", otc: `10000${i % 10}` })).toEqual(error("otc_not_found"));
    await guess.closed;
  }
  return running;
}

/** Says something and takes the challenge that it gets. */
async function challenged(device: Device, message: ClientMessage): Promise<RelayChallenge> {
  device.say(message);
  const answer = await device.next();
  expect(answer).toMatchObject({ type: "challenge" });
  return answer as RelayChallenge;
}

const solve = async (challenge: RelayChallenge, code = otc) =>
  (await doWork(challenge, code, { pause: turn })) as number;

/** The first number that is no answer. */
function miss(challenge: RelayChallenge): number {
  for (let answer = 0; ; answer++) if (!workIsDone(challenge, otc, answer)) return answer;
}

describe("a relay that is hot", () => {
  test("lets two devices meet after work that they did, whoever guesses", async () => {
    const { url, metric } = await startHotRelay();
    const target = await Device.open(url, "192.0.2.1");
    const challenge = await challenged(target, { type: "listen", otc });
    expect(challenge.bits).toBe(14);
    const answer = await solve(challenge);
    target.say({ type: "work", answer });
    expect(await target.next()).toEqual({ type: "listening", expiresIn: 60 });
    const controller = await Device.open(url, "192.0.2.2");
    expect(await controller.ask({ type: "connect", otc })).toEqual({ type: "peer_found" });
    expect(await target.next()).toEqual({ type: "peer_found" });
    controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await target.next()).toEqual({ type: "data", payload: "AQ==" });
    expect(await metric('challenges_total{outcome="issued"}')).toBe(2);
    expect(await metric('challenges_total{outcome="solved"}')).toBe(2);
    expect(await metric('challenges_total{outcome="failed"}')).toBe(0);
  });

  test("asks for more the hotter it is", async () => {
    for (const [misses, bits] of [
      [4, 14],
      [6, 16],
      [7, 18],
    ] as const) {
      const { url } = await startHotRelay(misses, 8);
      const device = await Device.open(url, "192.0.2.1");
      expect((await challenged(device, { type: "connect", otc })).bits).toBe(bits);
    }
  });

  test("asks nobody any more when its minute is over", async () => {
    const { url, pass } = await startHotRelay();
    pass(60_000);
    await pair(url, otc, ["192.0.2.1", "192.0.2.2"]);
  });

  test("for codes of one kind asks nothing for those of the other", async () => {
    const { url } = await startHotRelay();
    const device = await Device.open(url, "192.0.2.1");
    device.say({ type: "listen", otc: "AAECAwQFBgcICQoLDA0ODw" });
    expect(await device.next()).toMatchObject({ type: "listening" });
  });

  test.each([
    ["that wait", "relay.sessions", { "relay.sessions": 4 }],
    ["that were said", "relay.listens", { "relay.listens": 4 }],
  ])("is so by codes %s as well", async (_, __, limits) => {
    const { url } = await startRelay({ limits });
    for (let i = 0; i < 2; i++) {
      const device = await Device.open(url);
      device.say({ type: "listen", otc: `10000${i}` });
      expect(await device.next()).toEqual({ type: "listening", expiresIn: 60 });
    }
    const third = await Device.open(url);
    expect((await challenged(third, { type: "listen", otc })).bits).toBe(14);
  });

  test("asks no work of who is refused anyway, nor does work help who was refused meanwhile", async () => {
    const { url } = await startHotRelay(4);
    const late = await Device.open(url, "192.0.2.1");
    late.say({ type: "connect", otc });
    expect(await late.next()).toEqual(error("relay_capacity"));

    const busy = await startHotRelay(3);
    const patient = await Device.open(busy.url, "192.0.2.1");
    const challenge = await challenged(patient, { type: "connect", otc });
    const answer = await solve(challenge);
    const other = await Device.open(busy.url, "192.0.2.2");
    expect(await other.ask({ type: "connect", otc })).toEqual(error("otc_not_found"));
    patient.say({ type: "work", answer });
    expect(await patient.next()).toEqual(error("relay_capacity"));
  });

  test("counts against a guess that its work was done for", async () => {
    const { url, metric } = await startHotRelay();
    const first = await Device.open(url, "198.51.100.1");
    expect(await first.ask({ type: "connect", otc })).toEqual(error("otc_not_found"));
    const second = await Device.open(url, "198.51.100.1");
    second.say({ type: "connect", otc });
    expect(await second.next()).toEqual(error("rate_limited"));
    expect(await metric('challenges_total{outcome="solved"}')).toBe(1);
  });

  test("does not count a listen that was only asked about", async () => {
    const { url } = await startHotRelay();
    for (let i = 0; i < 11; i++) {
      const device = await Device.open(url, "192.0.2.1");
      await challenged(device, { type: "listen", otc });
      device.socket.close();
      await device.closed;
    }
    const device = await Device.open(url, "192.0.2.1");
    expect(await device.ask({ type: "listen", otc })).toEqual({ type: "listening", expiresIn: 60 });
  });
});

describe("an answer to a challenge", () => {
  test.each<[string, (challenge: RelayChallenge) => string | Promise<string>]>([
    ["is wrong", (challenge) => JSON.stringify({ type: "work", answer: miss(challenge) })],
    ["is beyond what a number holds", () => '{"type":"work","answer":9007199254740992}'],
    ["is negative", () => '{"type":"work","answer":-1}'],
    ["is broken", () => '{"type":"work","answer":1.5}'],
    ["is text", () => '{"type":"work","answer":"7"}'],
    ["is long", () => `{"type":"work","answer":${"9".repeat(60_000)}}`],
    ["is not there", () => '{"type":"work"}'],
    ["is another greeting", () => '{"type":"listen","otc":"482917"}'],
    ["is the same greeting", () => `{"type":"connect","otc":"${otc}"}`],
    ["is data", () => '{"type":"data","payload":""}'],
  ])("that %s ends the socket, and there is no second", async (_, answerTo) => {
    const { url } = await startHotRelay();
    const device = await Device.open(url, "192.0.2.1");
    const challenge = await challenged(device, { type: "connect", otc });
    device.sendRaw(await answerTo(challenge));
    device.say({ type: "work", answer: await solve(challenge) });
    expect(await device.next()).toEqual(error("bad_message"));
    expect(await device.closed).toEqual(badMessage);
    expect(device.unread).toEqual([]);
  });

  test("is good on the socket that was asked, and for the code that was said", async () => {
    const { url, metric } = await startHotRelay();
    const first = await Device.open(url, "192.0.2.1");
    const second = await Device.open(url, "192.0.2.2");
    const challenge = await challenged(first, { type: "listen", otc });
    const other = await challenged(second, { type: "listen", otc: "482917" });
    expect(other.seed).not.toBe(challenge.seed);
    const answer = await solve(challenge);
    // One in 16,384 answers fits another challenge too.
    if (!workIsDone(other, "482917", answer)) {
      second.say({ type: "work", answer });
      expect(await second.next()).toEqual(error("bad_message"));
      expect(await metric('challenges_total{outcome="failed"}')).toBe(1);
    }
    first.say({ type: "work", answer });
    expect(await first.next()).toEqual({ type: "listening", expiresIn: 60 });
  });

  test("is not waited for longer than ten seconds after the challenge", async () => {
    const { url, pass } = await startHotRelay();
    const device = await Device.open(url, "192.0.2.1");
    pass(9_000);
    await challenged(device, { type: "listen", otc });
    pass(9_999);
    await device.settle();
    expect(device.unread).toEqual([]);
    pass(1);
    expect(await device.closed).toEqual({ code: 4003, reason: "greeting_timeout" });
  });

  test("that nobody asked for is a bad message", async () => {
    const { url, metric } = await startRelay();
    const fresh = await Device.open(url);
    fresh.say({ type: "work", answer: 1 });
    expect(await fresh.next()).toEqual(error("bad_message"));
    const { target } = await pair(url);
    target.say({ type: "work", answer: 1 });
    expect(await target.next()).toEqual(error("bad_message"));
    expect(await metric('challenges_total{outcome="failed"}')).toBe(0);
  });
});

test.each([
  [0.499, 0],
  [0.5, 14],
  [0.749, 14],
  [0.75, 16],
  [0.874, 16],
  [0.875, 18],
  [1, 18],
])("of a limit that is used by %d, the work is %i bits", (used, bits) => {
  expect(workFor((share) => used >= share)).toBe(bits);
});
