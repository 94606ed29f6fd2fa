import { invite, listen } from "@authmesh/sdk/pairing";
import { describe, expect, it } from "vitest";
import { newCouple, newMachine, trusts } from "./machine.js";
import { deferred, drawing, follow, pair, startRelay } from "./two-people.js";

const verificationCode = async () => "";

describe("the code of a pairing", () => {
  it.each(["", "12345", "1234567", "012345", "48291x", "AAAAAAAAAAAAAAAAAAAAAA", "1".repeat(10_000)])(
    "is looked at before anything else: %.30s",
    async (code) => {
      const ended = await follow(invite(code, { dir: "/nowhere", relay: "not a URL" }));
      expect(ended).toMatchObject({ events: [], error: "pairing_code_malformed" });
    },
  );

  it("that nobody waits under is unknown", async () => {
    const { url } = await startRelay();
    const { controller } = await newCouple();
    const ended = await follow(invite("482916", { identity: controller, relay: url }));
    expect(ended).toMatchObject({ events: [], error: "otc_not_found" });
  });

  it("expires on both sides after a minute", async () => {
    let now = 1_000_000;
    const relay = await startRelay({ now: () => now });
    const { target, controller } = await newCouple();
    let code = "";
    const listening = follow(listen({ identity: target, relay: relay.url, verificationCode }), (event) => {
      if (event.event === "code") code = event.code;
      now += 60_001;
      relay.sweep();
    });
    expect(await listening).toMatchObject({ error: "otc_expired" });
    const ended = await follow(invite(code, { identity: controller, relay: relay.url }));
    expect(ended).toMatchObject({ events: [], error: "otc_expired" });
  });

  it("is good for one controller; a second one is sent away and the first goes on", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    const other = await newMachine("second");
    let code = "";
    const ended = await pair({
      target,
      controller,
      relay: url,
      retype: (text) => {
        code = text;
        return text;
      },
      entry: async (shown) => {
        const second = await follow(invite(code, { identity: other, relay: url }));
        expect(second).toMatchObject({ events: [], error: "peer_already_connected" });
        return shown;
      },
    });
    expect(ended.target.error).toBeUndefined();
    expect(await trusts(target, controller, "controller")).toBe(true);
    expect(await trusts(target, other, "controller")).toBe(false);
  });

  it("is good for one handshake", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    const ended = await pair({ target, controller, relay: url });
    const [first] = ended.target.events;
    const code = first?.event === "code" ? first.code : "";
    const again = await follow(invite(code, { identity: controller, relay: url }));
    expect(again.error).toBe("otc_not_found");
  });

  it("is drawn anew when another device waits under the same, three times at most", async () => {
    const { url } = await startRelay();
    const { target, controller } = await newCouple();
    const taken = deferred<void>();
    const stop = new AbortController();
    const options = { relay: url, verificationCode, signal: stop.signal };
    const holder = follow(
      listen({ ...options, identity: controller, random: drawing("111111") }),
      () => void taken.resolve(),
    );
    await taken.promise;

    const lucky = listen({ ...options, identity: target, random: drawing("111111", "111111", "222222") });
    for await (const event of lucky) {
      expect(event).toEqual({ event: "code", code: "222222", expiresIn: 60 });
      break;
    }
    const random = drawing("111111", "111111", "111111", "222222");
    const unlucky = await follow(listen({ ...options, identity: target, random }));
    expect(unlucky).toMatchObject({ events: [], error: "otc_in_use" });
    stop.abort();
    expect((await holder).error).toBe("pairing_cancelled");
  });
});
