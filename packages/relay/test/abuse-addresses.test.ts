import { type ClientMessage, drawPairingCode } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { completeLimits, defaultLimits } from "../src/limits.js";
import { SessionRegistry } from "../src/session-registry.js";
import { Device, pair } from "./device.js";
import { RawSocket } from "./raw-socket.js";
import { startRelay } from "./running-relay.js";

const otc = "482916";
const error = (code: string) => ({ type: "error", code });

/** What a device at this address is answered, once the work is done that the relay may ask for. */
async function answerTo(url: string, from: string, message: ClientMessage): Promise<unknown> {
  const device = await Device.open(url, from);
  const answer = await device.ask(message);
  device.socket.close();
  await device.closed;
  return answer;
}

describe("guessing at codes", () => {
  const guess = { type: "connect", otc } as const;

  test("from all of a /64 is guessing from one address", async () => {
    const { url } = await startRelay({ trustProxy: 1 });
    for (let i = 1; i <= 5; i++)
      expect(await answerTo(url, `2001:db8:1:2:${i}::${i}`, guess)).toEqual(error("otc_not_found"));
    expect(await answerTo(url, "2001:db8:1:2:ffff:ffff:ffff:ffff", guess)).toEqual(error("rate_limited"));
    expect(await answerTo(url, "2001:db8:1:3::1", guess)).toEqual(error("otc_not_found"));
  });

  test("from a /48, a /64 after the other, takes more work by and by and ends at the relay's own share", async () => {
    const { url, metric, pass } = await startRelay({ trustProxy: 1, limits: { "relay.failures": 4 } });
    const asked: number[] = [];
    for (let i = 0; i < 4; i++) {
      const device = await Device.open(url, `2001:db8:1:${i.toString(16)}::1`);
      device.say(guess);
      const first = (await device.next()) as { type: string; bits?: number };
      asked.push(first.bits ?? 0);
      device.socket.close();
      await device.closed;
      if (first.bits !== undefined) await answerTo(url, `2001:db8:1:${i.toString(16)}::1`, guess);
    }
    expect(asked).toEqual([0, 0, 14, 16]);
    expect(await metric('challenges_total{outcome="solved"}')).toBe(2);
    expect(await answerTo(url, "2001:db8:1:ff::1", guess)).toEqual(error("relay_capacity"));
    // Neither does it learn by listening, and codes of 22 characters are not touched by it.
    expect(await answerTo(url, "2001:db8:1:ff::1", { type: "listen", otc })).toEqual(error("relay_capacity"));
    await pair(url, "AAECAwQFBgcICQoLDA0ODw", ["192.0.2.1", "192.0.2.2"]);
    pass(60_000);
    await pair(url, otc, ["192.0.2.1", "192.0.2.2"]);
  });

  test("leaves those who pair alone until the relay's share is used up", async () => {
    const { url } = await startRelay({ trustProxy: 1, limits: { "relay.failures": 4 } });
    for (let i = 0; i < 3; i++) {
      expect(await answerTo(url, `203.0.113.${i}`, { type: "connect", otc: "999999" })).toEqual(
        error("otc_not_found"),
      );
    }
    await pair(url, otc, ["192.0.2.1", "192.0.2.2"]);
  });
});

describe("claiming codes", () => {
  test("gets one address ten, and no more while it has them", async () => {
    const { url, metric, pass } = await startRelay({ trustProxy: 1 });
    const squatters = [];
    for (let i = 0; i < 10; i++) {
      const device = await Device.open(url, "203.0.113.1");
      expect(await device.ask({ type: "listen", otc: `10000${i}` })).toMatchObject({ type: "listening" });
      squatters.push(device);
    }
    await expect(Device.open(url, "203.0.113.1")).rejects.toThrow();
    expect(await metric('sessions{state="waiting"}')).toBe(10);
    pass(60_000);
    await Promise.all(squatters.map((device) => device.closed));
    expect(await metric('sessions{state="waiting"}')).toBe(0);
  });

  test("of every code that a relay holds leaves an honest device one of three draws", () => {
    let seed = 1;
    // Repeatable, and good enough to spread codes.
    const random = (length: number) => {
      const bytes = new Uint8Array(length);
      for (let i = 0; i < length; i++) {
        seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
        bytes[i] = seed >>> 24;
      }
      return bytes;
    };
    const capacity = defaultLimits["relay.sessions"];
    const registry = new SessionRegistry<number>(capacity);
    while (registry.waiting < capacity - 1) registry.open(drawPairingCode(random), 0, 0);
    const isTaken = () => {
      const session = registry.open(drawPairingCode(random), 0, 0);
      if (typeof session === "object") registry.end(session);
      return session === "otc_in_use";
    };
    const devices = 50_000;
    let unlucky = 0;
    for (let i = 0; i < devices; i++) if (isTaken() && isTaken() && isTaken()) unlucky += 1;
    // Each draw hits one of 50,000 among 900,000: (1 / 18)^3, 17 in 100,000.
    expect(unlucky / devices).toBeLessThan(3 / 10_000);
    expect(unlucky).toBeGreaterThan(0);
  });
});

describe("the address of a socket", () => {
  /** Opens a socket with these header lines; its status line. */
  async function open(port: number, lines: readonly string[]): Promise<string> {
    const raw = await RawSocket.connect(port);
    const fixed = ["Host: relay", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    const key = "Sec-WebSocket-Key: AAECAwQFBgcICQoLDA0ODw==";
    raw.stream.write(["GET /ws HTTP/1.1", ...fixed, key, ...lines, "", ""].join("\r\n"), "latin1");
    return (await raw.head()).split("\r\n")[0] as string;
  }

  /** Whether a relay behind so many proxies takes two requests for those of one address. */
  async function isOne(trustProxy: number, first: readonly string[], second: readonly string[]) {
    const { port } = await startRelay({ trustProxy, limits: { "address.sockets": 1 } });
    expect(await open(port, first)).toContain(" 101 ");
    const status = await open(port, second);
    expect(status).toMatch(/ (101|429) /);
    return status.includes(" 429 ");
  }

  const forwarded = (value: string) => `X-Forwarded-For: ${value}`;
  const many = (line: string, times: number) => Array.from({ length: times }, () => line);

  test.each<[string, number, string[], string[]]>([
    ["is the socket's without a proxy", 0, [forwarded("192.0.2.1")], [forwarded("192.0.2.2")]],
    [
      "is not what stands left",
      1,
      [forwarded("192.0.2.1, 198.51.100.7")],
      [forwarded("192.0.2.2, 198.51.100.7")],
    ],
    [
      "is not what a line before says",
      1,
      [forwarded("192.0.2.1"), forwarded("198.51.100.7")],
      [forwarded("192.0.2.2"), forwarded("198.51.100.7")],
    ],
    [
      "is not what a line a thousand lines before says",
      1,
      [forwarded("192.0.2.1"), ...many("a:", 1_100), forwarded("198.51.100.7")],
      [forwarded("192.0.2.2"), ...many("a:", 1_100), forwarded("198.51.100.7")],
    ],
    [
      "is the second from the right behind two",
      2,
      [forwarded("192.0.2.1, 198.51.100.7, 10.0.0.1")],
      [forwarded("192.0.2.2, 198.51.100.7, 10.0.0.2")],
    ],
    [
      "is so over several lines",
      2,
      [forwarded("192.0.2.1, 198.51.100.7"), forwarded("10.0.0.1")],
      [forwarded("198.51.100.7"), forwarded("10.0.0.2")],
    ],
    ["is the socket's where a proxy was gone around", 2, [forwarded("192.0.2.1")], [forwarded("192.0.2.2")]],
    ["is the socket's where there is no header", 1, [], [forwarded("unknown")]],
    ["is the socket's where there is no address", 1, [forwarded("_hidden")], [forwarded("192.0.2.1,")]],
    ["is the socket's where there are bytes", 1, [forwarded("\xff\xfe")], [forwarded("192.0.2.1\xa0x")]],
    ["is the /64", 1, [forwarded("2001:db8::1")], [forwarded("[2001:DB8:0:0:1::2]:443")]],
    ["is the IPv4 address within IPv6", 1, [forwarded("::ffff:192.0.2.1")], [forwarded("192.0.2.1:4711")]],
    [
      "is not that of other headers",
      1,
      ["X-Real-IP: 192.0.2.1", "Forwarded: for=192.0.2.1"],
      ["X_Forwarded_For: 192.0.2.2"],
    ],
  ])("%s, behind %i", async (_, proxies, first, second) => {
    expect(await isOne(proxies, first, second)).toBe(true);
  });

  test.each<[string, number, string[], string[]]>([
    ["is what the proxy saw", 1, [forwarded("192.0.2.1")], [forwarded("192.0.2.2")]],
    [
      "is that of the first proxy's caller",
      2,
      [forwarded("192.0.2.1, 10.0.0.1")],
      [forwarded("192.0.2.2, 10.0.0.1")],
    ],
    ["is another /64", 1, [forwarded("2001:db8:0:1::1")], [forwarded("2001:db8:0:2::1")]],
  ])("%s, behind %i, and another one's is another", async (_, proxies, first, second) => {
    expect(await isOne(proxies, first, second)).toBe(false);
  });

  test.each([
    ["a header of 9 KiB", [forwarded("192.0.2.1, ".repeat(900))], 431],
    ["nine thousand headers", many("a:", 9_000), 431],
    ["a folded header", [forwarded("192.0.2.1"), "\t192.0.2.2"], 400],
    ["a header with a zero byte", [forwarded("192.0.2.1\0")], 400],
  ])("is not looked for in %s", async (_, lines, status) => {
    const { port } = await startRelay({ trustProxy: 1 });
    expect(await open(port, lines)).toContain(` ${status} `);
  });
});

test("a relay remembers no more addresses than it may, and takes new ones when the old are forgotten", async () => {
  const limits = completeLimits({ "relay.addresses": 3 });
  const { url, pass } = await startRelay({ trustProxy: 1, limits });
  for (let i = 0; i < 3; i++)
    expect(await answerTo(url, `203.0.113.${i}`, { type: "listen", otc })).toMatchObject({});
  await expect(Device.open(url, "192.0.2.1")).rejects.toThrow("503");
  pass(60_000);
  expect(await answerTo(url, "192.0.2.1", { type: "listen", otc })).toEqual({
    type: "listening",
    expiresIn: 60,
  });
});
