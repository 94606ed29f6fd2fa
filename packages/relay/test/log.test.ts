import { toBase64Url } from "@authmesh/core";
import { describe, expect, test } from "vitest";
import { Device, pair, refusedUpgrade } from "./device.js";
import { startRelay } from "./running-relay.js";

describe("the log", () => {
  test("holds no code, no payload and no whole address, whatever happens", async () => {
    const { relay, url, pass, log } = await startRelay({ trustProxy: 1 });
    const longCode = toBase64Url(new Uint8Array(16).fill(9));
    const secret = Buffer.from("friendly-name-of-a-device");

    const { target, controller } = await pair(url, "482916", ["192.0.2.71", "2001:db8:77:88::99"]);
    const late = await Device.open(url, "198.51.100.72");
    await late.ask({ type: "connect", otc: "482916" });
    controller.say({ type: "data", payload: secret });
    await target.next();
    controller.sendRaw('{"type":"listen","otc":"593027"}');
    await controller.closed;
    const waiting = await Device.open(url, "198.51.100.73");
    await waiting.ask({ type: "listen", otc: "604138" });
    const taken = await Device.open(url, "198.51.100.74");
    await taken.ask({ type: "listen", otc: "604138" });
    const missing = await Device.open(url, "198.51.100.75");
    await missing.ask({ type: "connect", otc: "715249" });
    const parked = await Device.open(url, "198.51.100.76");
    await parked.ask({ type: "listen", otc: longCode });
    const wrong = await Device.open(url, "198.51.100.77");
    await wrong.ask({ type: "listen", otc: "604138 " });
    await refusedUpgrade(url, {
      origin: "https://page.example",
      headers: { "X-Forwarded-For": "198.51.100.78" },
    });
    pass(60_000);
    await waiting.closed;
    void relay.close();
    await parked.closed;

    const text = log();
    for (const message of ["session paired", "session ended", "refused", "draining"])
      expect(text).toContain(message);
    for (const code of ["482916", "593027", "604138", "715249", longCode]) expect(text).not.toContain(code);
    for (const encoding of ["utf8", "base64", "hex"] as const)
      expect(text).not.toContain(secret.toString(encoding));
    expect(text).toContain("192.0.2.0/24");
    expect(text).toContain("2001:db8:77::/48");
    for (const part of ["192.0.2.71", "77:88", "198.51.100.7", "page.example"])
      expect(text).not.toContain(part);
  });

  test("is one JSON object a line", async () => {
    const { url, log } = await startRelay();
    await pair(url);
    const lines = log()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
    expect(lines).toContainEqual(
      expect.objectContaining({ msg: "session paired", listener: "127.0.0.0/24", connector: "127.0.0.0/24" }),
    );
  });

  test("of a flood of refusals has one line a second and counts the rest", async () => {
    const { url, pass, log } = await startRelay({ limits: { "address.failures": 100 } });
    const miss = async () => {
      const device = await Device.open(url);
      await device.ask({ type: "connect", otc: "482916" });
      await device.closed;
    };
    for (let i = 0; i < 5; i++) await miss();
    pass(1_000);
    await miss();
    const refusals = log()
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => msg === "refused");
    expect(refusals.map(({ code, leftOut }) => [code, leftOut])).toEqual([
      ["otc_not_found", 0],
      ["otc_not_found", 4],
    ]);
  });
});
