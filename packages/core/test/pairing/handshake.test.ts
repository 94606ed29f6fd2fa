import { describe, expect, it } from "vitest";
import { failure, fromBase64Url, pairAsController, pairAsTarget } from "../../src/index.js";
import * as book from "./by-the-book.js";
import {
  carry,
  confirm,
  couple,
  device,
  laptop,
  meet,
  metCouple,
  rendezvous,
  Side,
  seededRandom,
  server,
} from "./side.js";

const typesOf = (side: Side) => side.effects.map(({ type }) => type);

describe("two machines that pair", () => {
  it("end up with each other's key, one as controller and one as target", () => {
    const both = metCouple();
    confirm(both);
    expect(both.target.disk).toEqual(new Map([[laptop.publicKey.deviceId, "controller"]]));
    expect(both.controller.disk).toEqual(new Map([[server.publicKey.deviceId, "target"]]));
    expect(both.target.handshake.state).toBe("done");
    expect(both.controller.handshake.state).toBe("done");
    expect(both.target.last("done")?.peer).toMatchObject({
      friendlyName: "Dev Laptop",
      publicKey: laptop.publicKey,
    });
    expect(both.controller.last("done")?.peer).toMatchObject({
      friendlyName: "prod-api",
      publicKey: server.publicKey,
    });
  });

  it("are told to do the same things in the same order every time", () => {
    const both = metCouple();
    confirm(both);
    expect(typesOf(both.controller)).toEqual(
      ["send", "send", "sign", "send", "show_code", "store_target", "send", "done"], //
    );
    expect(typesOf(both.target)).toEqual(
      [
        "send",
        "sign",
        "send",
        "confirm",
        "ask_code",
        "store_pending",
        "send",
        "deadline",
        "activate",
        "done",
      ], //
    );
    expect(both.target.last("deadline")?.seconds).toBe(10);
  });

  it("send exactly the bytes of the protocol, computed a second time from its text", () => {
    const sent: Record<string, Uint8Array[]> = { controller: [], target: [] };
    const both = couple({
      controller: { random: seededRandom("controller") },
      target: { random: seededRandom("target") },
    });
    const record = (frame: Uint8Array, from: Side) => {
      sent[from.role]?.push(frame);
      return frame;
    };
    confirm(meet(both, record), record);

    const draw = (seed: string) => {
      const random = seededRandom(seed);
      const privateKey = random(32);
      return { privateKey, share: Buffer.concat([book.pointOf(privateKey), random(32)]) };
    };
    const [c, t] = [draw("controller"), draw("target")];
    const commitment = book.commitment(c.share);
    const h = book.transcript({
      code: rendezvous,
      commitment,
      targetShare: t.share,
      controllerShare: c.share,
    });
    const secret = book.ecdh(t.privateKey, c.share.subarray(0, 33));
    const { c2t, t2c } = book.keys(secret, h);
    const identity = (owner: typeof laptop, role: "controller" | "target") => {
      const { publicKey, friendlyName } = owner;
      const signed = book.signedBytes(role, h, book.statement(publicKey.base64, friendlyName));
      const sig = Buffer.from(owner.sign(signed)).toString("base64url");
      return `{"friendlyName":"${friendlyName}","publicKey":"${publicKey.base64}","sig":"${sig}"}`;
    };
    expect(both.controller.shown).toBe(book.verificationCode(secret, h));
    expect(sent["controller"]?.map((frame) => Buffer.from(frame).toString("hex"))).toEqual(
      [
        commitment,
        c.share,
        book.seal(c2t, 0, h, 1, identity(laptop, "controller")),
        book.seal(c2t, 1, h, 3, '{"ack":true}'),
      ].map((frame) => frame.toString("hex")),
    );
    expect(sent["target"]?.map((frame) => Buffer.from(frame).toString("hex"))).toEqual(
      [
        t.share,
        book.seal(t2c, 0, h, 1, identity(server, "target")),
        book.seal(t2c, 1, h, 2, '{"verdict":"ok"}'),
      ].map((frame) => frame.toString("hex")),
    );
  });

  it("sign nothing but their identity, in their role, for this transcript", () => {
    const both = metCouple();
    for (const side of [both.controller, both.target]) {
      const asked = side.effects.filter(({ type }) => type === "sign");
      expect(asked).toHaveLength(1);
      const message = Buffer.from(side.last("sign")?.message as Uint8Array);
      const prefix = `amesh/pair/1 identity${side.role}`;
      expect(message.subarray(0, prefix.length).toString()).toBe(prefix);
      expect(message).toHaveLength(prefix.length + 64);
    }
  });

  it("can pair in the other direction too, and anew", () => {
    const back = { controller: new Side("controller", server), target: new Side("target", laptop) };
    meet(back);
    confirm(back);
    expect(back.target.disk.get(server.publicKey.deviceId)).toBe("controller");
  });

  it("draw a new code each time", () => {
    expect(metCouple().controller.shown).not.toBe(metCouple().controller.shown);
  });

  it("work through the functions an application gets, without a random source of its own", () => {
    const options = { friendlyName: "x", rendezvous };
    const controller = pairAsController({ ...options, publicKey: laptop.publicKey });
    const target = pairAsTarget({ ...options, publicKey: server.publicKey });
    const [commit] = controller.handle({ type: "start" });
    if (commit?.type !== "send") throw new Error("no commitment");
    expect(commit.frame).toHaveLength(32);
    expect(target.handle({ type: "frame", bytes: commit.frame })).toMatchObject([{ type: "send" }]);
    expect(target.state).toBe("expectingShare");
  });

  it("fail when they did not meet under the same code", () => {
    const both = metCouple({ target: { code: "482917" } });
    expect(both.target.failure).toBe("pairing_frame_invalid");
    expect(both.controller.shown).toBeUndefined();
  });
});

describe("the target's operator", () => {
  it("may type the code with spaces, and may err twice", () => {
    const both = metCouple();
    const code = both.controller.shown as string;
    both.target.enter("000000" === code ? "000001" : "000000");
    expect(both.target.last("ask_code")?.entriesLeft).toBe(2);
    both.target.enter("");
    expect(both.target.last("ask_code")?.entriesLeft).toBe(1);
    both.target.enter(` ${code.slice(0, 3)} ${code.slice(3)}\n`);
    carry(both);
    expect(both.target.handshake.state).toBe("done");
  });

  it.each([
    ["a digit more", (code: string) => `${code}0`],
    ["a digit less", (code: string) => code.slice(0, -1)],
    [
      "other digits that look alike",
      (code: string) => String.fromCodePoint(...[...code].map((digit) => 0x660 + Number(digit))),
    ],
    ["the pairing code", () => rendezvous],
    ["a very long text", () => "1".repeat(100_000)],
  ])("ends the pairing by typing %s three times, and the controller hears of it", (_, wrong) => {
    const both = metCouple();
    for (let entry = 0; entry < 3; entry++) both.target.enter(wrong(both.controller.shown as string));
    expect(both.target.last("failed")).toMatchObject({
      failure: { code: "pairing_code_mismatch" },
      revealed: true,
    });
    carry(both);
    expect(both.controller.failure).toBe("pairing_rejected");
    expect(both.target.disk.size + both.controller.disk.size).toBe(0);
  });

  it("cannot type a fourth entry", () => {
    const both = metCouple();
    for (let entry = 0; entry < 3; entry++) both.target.enter("no");
    expect(
      both.target.handshake.handle({ type: "code_entered", text: both.controller.shown as string }),
    ).toEqual([]);
    expect(both.target.disk.size).toBe(0);
  });

  it("is never shown the code", () => {
    const both = metCouple();
    const code = both.controller.shown as string;
    expect(both.target.shown).toBeUndefined();
    expect(JSON.stringify([both.target.effects, both.target.handshake])).not.toContain(`"${code}"`);
  });

  it.each(["declined", "controller_limit_reached", "pairing_cancelled"] as const)(
    "may end it with %s, and the controller hears of it",
    (code) => {
      const both = metCouple();
      both.target.handle({ type: "abort", failure: failure(code) });
      expect(both.target.failure).toBe(code);
      carry(both);
      expect(both.controller.failure).toBe("pairing_rejected");
      expect(both.target.disk.size + both.controller.disk.size).toBe(0);
    },
  );
});

describe("the order of what is stored", () => {
  /** Runs to the point where `role` was told to do `type`, and does not do it. */
  function upTo(role: "controller" | "target", type: string) {
    const both = metCouple();
    const side = both[role];
    const handle = side.handle.bind(side);
    side.handle = (input) => {
      // The driver of these tests answers at once; this one answers nothing to `type`.
      if (input.type === "stored" && side.effects.at(-1)?.type === type) return;
      handle(input);
    };
    confirm(both);
    expect(side.effects.at(-1)?.type).toBe(type);
    side.handle = handle;
    return { ...both, side };
  }

  it("the controller stores nothing, and hears no verdict, before the target has stored it as pending", () => {
    const { controller, target } = upTo("target", "store_pending");
    expect(controller.handshake.state).toBe("expectingVerdict");
    expect(controller.disk.size).toBe(0);
    expect([...target.disk.values()]).toEqual(["pending"]);
  });

  it("the target has a pending entry only until the controller has stored its own and said so", () => {
    const { controller, target } = upTo("controller", "store_target");
    expect(controller.outbox).toEqual([]);
    expect([...target.disk.values()]).toEqual(["pending"]);
    expect(target.handshake.state).toBe("expectingAcknowledgement");
  });

  it.each(["timeout", "peer_left"] as const)(
    "without an acknowledgement (%s) the target removes it",
    (type) => {
      const { target } = upTo("controller", "store_target");
      target.handle({ type });
      expect(target.failure).toBe("pairing_unconfirmed");
      expect(target.disk.size).toBe(0);
    },
  );

  it("a target that cannot write says no", () => {
    const { controller, target, ...both } = upTo("target", "store_pending");
    target.handle({ type: "abort", failure: failure("storage_failed") });
    carry({ controller, target, ...both });
    expect(target.failure).toBe("storage_failed");
    expect(target.disk.size).toBe(0);
    expect(controller.failure).toBe("pairing_rejected");
  });

  it("a controller that cannot write does not acknowledge and keeps nothing", () => {
    const { controller } = upTo("controller", "store_target");
    controller.handle({ type: "abort", failure: failure("storage_failed") });
    expect(controller.outbox).toEqual([]);
    expect(controller.disk.size).toBe(0);
    expect(controller.failure).toBe("storage_failed");
  });

  it("a controller whose target left before the acknowledgement keeps nothing", () => {
    const { controller } = upTo("controller", "store_target");
    controller.handle({ type: "peer_left" });
    expect(controller.disk.size).toBe(0);
    expect(controller.failure).toBe("pairing_peer_left");
  });

  it.each(["timeout", "peer_left"] as const)(
    "once acknowledged, the controller may leave (%s) while the target writes",
    (type) => {
      const { target } = upTo("target", "activate");
      target.handle({ type });
      target.handle({ type: "stored" });
      expect(target.handshake.state).toBe("done");
      expect([...target.disk.values()]).toEqual(["controller"]);
    },
  );

  it("a target that cannot make the entry active removes it", () => {
    const { target } = upTo("target", "activate");
    target.handle({ type: "abort", failure: failure("storage_failed") });
    expect(target.failure).toBe("storage_failed");
    expect(target.disk.size).toBe(0);
  });
});

describe("the peer's name and key", () => {
  it("reaches the other side without bidi, control and zero-width characters, in NFC", () => {
    const mischievous = device("\u202eprod\u200b-api\u0007\u2066 e\u0301\n");
    const both = { controller: new Side("controller", laptop), target: new Side("target", mischievous) };
    meet(both);
    expect(both.controller.last("show_code")?.peer.friendlyName).toBe("prod-api \u00e9");
    confirm(both);
    expect(both.controller.last("done")?.peer.friendlyName).toBe("prod-api \u00e9");
  });

  it.each([
    ["nothing", "\u200b\u202e"],
    ["too much", "n".repeat(65)],
  ])("is refused when %s is left of the name", (_, name) => {
    const both = { controller: new Side("controller", device(name)), target: new Side("target", server) };
    meet(both);
    expect(both.target.failure).toBe("pairing_identity_invalid");
  });

  it("is refused when it is our own", () => {
    const both = { controller: new Side("controller", laptop), target: new Side("target", laptop) };
    meet(both);
    expect(both.target.failure).toBe("pairing_own_key");
    expect(both.target.disk.size + both.controller.disk.size).toBe(0);
  });

  it("is refused when another key signed", () => {
    const impostor = { ...laptop, sign: device("somebody else").sign };
    const both = { controller: new Side("controller", impostor), target: new Side("target", server) };
    meet(both);
    expect(both.target.failure).toBe("pairing_identity_invalid");
  });

  it("signs with 64 bytes or not at all", () => {
    const both = couple();
    both.controller.handle({ type: "start" });
    const sloppy = new Side("controller", { ...laptop, sign: () => fromBase64Url("AAAA") as Uint8Array });
    sloppy.handle({ type: "start" });
    both.target.receive(sloppy.outbox.shift() as Uint8Array);
    expect(() => sloppy.receive(both.target.outbox.shift() as Uint8Array)).toThrow(TypeError);
  });
});
