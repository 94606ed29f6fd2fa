import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { invite, listen } from "@authmesh/sdk/pairing";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CooldownFile } from "../../src/pairing/cooldown-file.js";
import { startHostileRelay } from "./hostile-relay.js";
import { newCouple, newMachine, summaryOf } from "./machine.js";
import { follow, type PairingPlan, pair, startRelay, wrong } from "./two-people.js";

describe("a wrong verification code", () => {
  it("may be typed once", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const ended = await pair({
      ...couple,
      relay: url,
      entry: (shown, left) => (left === 3 ? wrong(shown) : shown),
    });

    expect(ended.target.events.slice(2, -1).map((event) => JSON.stringify(event))).toEqual([
      '{"event":"verify","left":3}',
      '{"event":"mismatch","left":2}',
      '{"event":"verify","left":2}',
    ]);
    expect(ended.target.error).toBeUndefined();
    expect(ended.controller.error).toBeUndefined();
  });

  it("typed three times ends the pairing on both sides, and changes nothing", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const ended = await pair({ ...couple, relay: url, entry: wrong });

    expect(ended.target.error).toBe("pairing_code_mismatch");
    expect(ended.controller.error).toBe("pairing_rejected");
    expect(ended.target.events.map(({ event }) => event)).toEqual([
      "code",
      "peer",
      "verify",
      "mismatch",
      "verify",
      "mismatch",
      "verify",
    ]);
    expect(await summaryOf(couple.target)).toEqual([]);
    expect(await summaryOf(couple.controller)).toEqual([]);
  });

  it("is anything but six right digits", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const typed = ["", "ein Text", "1".repeat(100_000)];
    const ended = await pair({ ...couple, relay: url, entry: () => typed.pop() ?? "" });
    expect(ended.target.error).toBe("pairing_code_mismatch");
  });
});

describe("after three failed pairings", () => {
  const start = 1_763_700_000;

  async function failThrice(plan: PairingPlan): Promise<void> {
    for (let i = 0; i < 3; i++) {
      const ended = await pair({ ...plan, entry: wrong });
      expect(ended.target.error).toBe("pairing_code_mismatch");
    }
  }

  it("both sides rest for a minute and say how long", async () => {
    let seconds = start;
    const now = () => seconds * 1000;
    const { url } = await startRelay();
    const couple = await newCouple();
    const plan: PairingPlan = { ...couple, relay: url, listen: { now }, invite: { now } };
    await failThrice(plan);

    seconds += 59;
    const resting = { error: "pairing_cooldown", detail: expect.stringContaining("in 1 seconds") };
    const verificationCode = async () => "";
    const listening = listen({ identity: couple.target, relay: url, now, verificationCode });
    expect(await follow(listening)).toMatchObject(resting);
    const inviting = invite("482916", { identity: couple.controller, relay: url, now });
    expect(await follow(inviting)).toMatchObject(resting);

    seconds += 1;
    expect((await pair(plan)).target.error).toBeUndefined();
  });

  it("nobody rests for what failed before the keys were shown", async () => {
    const { url } = await startHostileRelay((_frame, relay) => relay.die());
    const couple = await newCouple();
    for (let i = 0; i < 4; i++) {
      const ended = await pair({ ...couple, relay: url });
      expect([ended.target.error, ended.controller.error]).toEqual([
        "relay_unreachable",
        "relay_unreachable",
      ]);
    }
  });

  it("a pairing that was waiting all the while does not begin either", async () => {
    const now = () => start * 1000;
    const { url } = await startRelay();
    const couple = await newCouple();
    const plan: PairingPlan = { ...couple, relay: url, listen: { now }, invite: { now } };
    const late = await pair({
      ...plan,
      onListen: async ({ event }) => {
        if (event === "code") await failThrice({ ...plan, controller: await newMachine("another") });
      },
    });
    expect(late.target.error).toBe("pairing_cooldown");
    expect(late.controller.error).toBe("pairing_peer_left");
  });
});

describe("the file that remembers failed pairings", () => {
  const now = () => 1_763_700_000_000;

  const isResting = (file: CooldownFile): boolean => {
    try {
      file.check();
      return false;
    } catch (error) {
      expect(error).toBeInstanceOf(AmeshError);
      expect((error as AmeshError).code).toBe("pairing_cooldown");
      return true;
    }
  };
  const recordThrice = (file: CooldownFile): void => {
    for (let i = 0; i < 3; i++) {
      expect(isResting(file)).toBe(false);
      file.record();
    }
    expect(isResting(file)).toBe(true);
  };

  it("is shared by all processes of an identity", async () => {
    const { dir } = await newMachine("prod-api");
    for (let i = 0; i < 3; i++) new CooldownFile(dir, now).record();
    expect(isResting(new CooldownFile(dir, now))).toBe(true);
  });

  it.each([
    ["is empty", ""],
    ["is no text", Buffer.from([0xff, 0xfe, 0, 10, 0xff])],
    ["ends in the middle of a line", "\n17636"],
    ["is far too long", "1763699999\n".repeat(100_000)],
    ["holds times that are still to come", "\n9999999999\n9999999998\n9999999997"],
  ])("counts from the beginning when it %s", async (_, content) => {
    const { dir } = await newMachine("prod-api");
    writeFileSync(join(dir, "pairing_failures"), content);
    recordThrice(new CooldownFile(dir, now));
  });

  it("moves a folder of its name aside, with all that is in it", async () => {
    const { dir } = await newMachine("prod-api");
    mkdirSync(join(dir, "pairing_failures", "nested"), { recursive: true });
    recordThrice(new CooldownFile(dir, now));
    expect(readdirSync(join(dir, "pairing_failures.set-aside-1763700000"))).toEqual(["nested"]);
  });

  it.each(["", "\n1", "\n1763699999\n1763699999\n1763699999"])(
    "takes the place of a link, and neither reads nor changes what it leads to (%j)",
    async (content) => {
      const { dir } = await newMachine("prod-api");
      const victim = join(dir, "victim");
      writeFileSync(victim, content);
      symlinkSync(victim, join(dir, "pairing_failures"));
      recordThrice(new CooldownFile(dir, now));
      expect(readFileSync(victim, "utf8")).toBe(content);
      expect(lstatSync(join(dir, "pairing_failures")).isFile()).toBe(true);
    },
  );

  it("does not grow without end", async () => {
    const { dir } = await newMachine("prod-api");
    let seconds = 1_700_000_000;
    const file = new CooldownFile(dir, () => seconds * 1000);
    for (let i = 0; i < 1000; i++, seconds += 600) file.record();
    expect(statSync(join(dir, "pairing_failures")).size).toBeLessThan(4096);
    recordThrice(file);
  });

  it("can hold anything: there is a rest or there is none", async () => {
    const { dir } = await newMachine("prod-api");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        writeFileSync(join(dir, "pairing_failures"), bytes);
        isResting(new CooldownFile(dir, now));
      }),
    );
  });
});
