import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { crypto } from "#crypto";
import { AmeshError, concatBytes, toHex } from "../../src/index.js";
import { type Message, readAcknowledgement, readVerdict, SealedChannel } from "../../src/pairing/frames.js";
import { readIdentity, signableIdentity } from "../../src/pairing/identity-statement.js";
import * as book from "./by-the-book.js";
import { attempt, type Couple, couple, laptop, meet, on, places, type Relay, server } from "./side.js";

const runs = crypto.name === "node" ? 60 : 10;
const [one, other] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
const transcript = new Uint8Array(32).fill(3);
const here = () => new SealedChannel({ sending: one, receiving: other, transcript });
const there = () => new SealedChannel({ sending: other, receiving: one, transcript });
const invalid = expect.objectContaining({ code: "pairing_frame_invalid" });

describe("a sealed channel", () => {
  it("is what the text of the protocol says", () => {
    const channel = here();
    expect(toHex(channel.seal("identity", { b: 1, a: "é" }))).toBe(
      toHex(book.seal(one, 0, transcript, 1, '{"a":"é","b":1}')),
    );
    expect(toHex(channel.seal("verdict", {}))).toBe(toHex(book.seal(one, 1, transcript, 2, "{}")));
    expect(there().open("identity", book.seal(one, 0, transcript, 1, '{"a":1}'))).toEqual({ a: 1 });
  });

  it("opens each frame once and in its order", () => {
    const [sender, receiver] = [here(), there()];
    const [first, second] = [sender.seal("verdict", { n: 1 }), sender.seal("verdict", { n: 2 })];
    expect(() => there().open("verdict", second)).toThrow(invalid);
    expect(receiver.open("verdict", first)).toEqual({ n: 1 });
    expect(() => receiver.open("verdict", first)).toThrow(invalid);
  });

  it("opens no frame of its own direction, of another type, or of another handshake", () => {
    const frame = here().seal("verdict", {});
    expect(() => here().open("verdict", frame)).toThrow(invalid);
    expect(() => there().open("identity", frame)).toThrow(invalid);
    expect(() => there().open("identity", frame.with(0, 1))).toThrow(invalid);
    const elsewhere = new SealedChannel({ sending: other, receiving: one, transcript: one });
    expect(() => elsewhere.open("verdict", frame)).toThrow(invalid);
  });

  it("opens 4096 bytes and not one more", () => {
    const frame = (length: number) =>
      book.seal(one, 0, transcript, 1, `{"a":"${"x".repeat(length - 17 - 8)}"}`);
    expect(frame(4096)).toHaveLength(4096);
    expect(there().open("identity", frame(4096))).toHaveProperty("a");
    expect(() => there().open("identity", frame(4097))).toThrow(invalid);
  });

  it.each([
    ["nothing", ""],
    ["no JSON", "{verdict:ok}"],
    ["an array", "[]"],
    ["a text", '"ok"'],
    ["null", "null"],
    ["a member twice", '{"verdict":"no","verdict":"ok"}'],
    ["a lone surrogate", '{"verdict":"\\ud800"}'],
    ["too much depth", `{"a":${"[".repeat(100)}${"]".repeat(100)}}`],
  ])("takes no frame that holds %s", (_, plaintext) => {
    expect(() => there().open("verdict", book.seal(one, 0, transcript, 2, plaintext))).toThrow(invalid);
  });

  it("opens or refuses, whatever the bytes under the seal", () => {
    const plaintext = fc.oneof(fc.json({ maxDepth: 3 }), fc.string({ unit: "binary", maxLength: 50 }));
    fc.assert(
      fc.property(plaintext, (text) => {
        try {
          return typeof there().open("verdict", book.seal(one, 0, transcript, 2, text)) === "object";
        } catch (error) {
          return error instanceof AmeshError && error.code === "pairing_frame_invalid";
        }
      }),
    );
  });
});

describe("verdict and acknowledgement", () => {
  it("say yes or no and ignore other members", () => {
    expect(readVerdict({ verdict: "ok", note: 1 })).toBe(true);
    expect(readVerdict({ verdict: "no" })).toBe(false);
    expect(() => readAcknowledgement({ ack: true, note: 1 })).not.toThrow();
  });

  it.each([{}, { verdict: "OK" }, { verdict: true }, { verdict: null }, { verdict: ["ok"] }])(
    "%j is no verdict",
    (message) => {
      expect(() => readVerdict(message as Message)).toThrow(invalid);
    },
  );

  it.each([{}, { ack: false }, { ack: 1 }, { ack: "true" }])("%j is no acknowledgement", (message) => {
    expect(() => readAcknowledgement(message as Message)).toThrow(invalid);
  });
});

describe("an identity", () => {
  const { publicKey, friendlyName } = laptop;
  const statement = { publicKey: publicKey.base64, friendlyName };
  const sig = Buffer.from(laptop.sign(signableIdentity("controller", transcript, statement))).toString(
    "base64url",
  );
  const good: Message = { ...statement, sig };
  const refused = expect.objectContaining({ code: "pairing_identity_invalid" });

  it("is read, and its other members are ignored", () => {
    const peer = readIdentity({ ...good, role: "root", scopes: ["*:rw"] }, "controller", transcript);
    expect(peer).toEqual({ deviceId: publicKey.deviceId, publicKey, friendlyName });
  });

  it.each<[string, Message]>([
    ["no members", {}],
    ["no signature", statement],
    ["a key that is no text", { ...good, publicKey: 1 }],
    ["a name that is no text", { ...good, friendlyName: ["Dev Laptop"] }],
    ["another name than was signed", { ...good, friendlyName: "Dev Laptop\u200b" }],
    ["another key than signed", { ...good, publicKey: server.publicKey.base64 }],
    ["a key that is no point", { ...good, publicKey: Buffer.alloc(33, 2).toString("base64") }],
    ["a key of another length", { ...good, publicKey: `${statement.publicKey}AAAA` }],
    ["a signature of another length", { ...good, sig: sig.slice(0, 80) }],
    ["a signature with padding", { ...good, sig: `${sig}==` }],
  ])("is refused with %s", (_, message) => {
    expect(() => readIdentity(message, "controller", transcript)).toThrow(refused);
  });

  it("is refused in the other role and in another handshake", () => {
    expect(() => readIdentity(good, "target", transcript)).toThrow(refused);
    expect(() => readIdentity(good, "controller", one)).toThrow(refused);
  });

  it("is read or refused, whatever the members", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 90 }),
      fc.constantFrom(statement.publicKey, sig),
    );
    const message = fc.record({ publicKey: text, friendlyName: text, sig: text }, { requiredKeys: [] });
    fc.assert(
      fc.property(message, (members) => {
        try {
          return readIdentity(members as Message, "controller", transcript).deviceId.startsWith("am_");
        } catch (error) {
          return error instanceof AmeshError && error.code === "pairing_identity_invalid";
        }
      }),
    );
  });
});

describe("the frames of a handshake on their way", () => {
  const receiverOf = (role: "controller" | "target", both: Couple) =>
    role === "controller" ? both.target : both.controller;

  it.each(places)("$role's $name: another length is refused at once", ({ role, index }) => {
    for (const change of [
      () => new Uint8Array(),
      (frame: Uint8Array) => frame.slice(0, -1),
      (frame: Uint8Array) => concatBytes(frame, Uint8Array.of(0)),
      (frame: Uint8Array) => concatBytes(frame, new Uint8Array(4096)),
    ]) {
      const both = attempt(on(role, index, change));
      expect(receiverOf(role, both).failure).toBe("pairing_frame_invalid");
      expect(both.target.disk.size).toBe(0);
    }
  });

  it.each(places)("$role's $name: a flipped bit leaves no controller behind", ({ role, index }) => {
    fc.assert(
      fc.property(fc.nat(), (where) => {
        const flip = (frame: Uint8Array) => {
          const bit = where % (frame.length * 8);
          return frame.with(bit >> 3, (frame[bit >> 3] as number) ^ (1 << (bit & 7)));
        };
        const both = attempt(on(role, index, flip));
        expect(both.target.failure).toBeDefined();
        expect(both.target.disk.size).toBe(0);
      }),
      { numRuns: runs },
    );
  });

  it.each(places)("$role's $name: a second copy never passes for the next frame", ({ role, name, index }) => {
    const both = couple();
    const receiver = receiverOf(role, both);
    attempt(
      on(role, index, (frame) => {
        receiver.receive(frame);
        return frame;
      }),
      both,
    );
    // A side that is done is deaf; no other takes the same frame twice.
    const last = name === "acknowledgement" || name === "verdict";
    expect(receiver.failure).toBe(last ? undefined : "pairing_frame_invalid");
    expect(both.target.disk.size).toBe(last ? 1 : 0);
  });

  it.each(places)(
    "$role's $name: sent back to its sender, it ends the handshake",
    ({ role, name, index }) => {
      const reflect: Relay = (frame, from) => void from.receive(frame);
      const both = attempt(on(role, index, reflect));
      // Its own share reaches the target in place of the controller's; after its acknowledgement a controller is done.
      const special: Record<string, string | undefined> = {
        "target share": "pairing_commitment_mismatch",
        "controller acknowledgement": undefined,
      };
      const sent = `${role} ${name}`;
      expect(both[role].failure).toBe(sent in special ? special[sent] : "pairing_frame_invalid");
      expect(both.target.disk.size).toBe(0);
    },
  );

  it("nothing of a handshake opens in another one with the same devices and code", () => {
    const recorded = { controller: [] as Uint8Array[], target: [] as Uint8Array[] };
    attempt((frame, from) => {
      recorded[from.role].push(frame);
      return frame;
    });
    expect([recorded.controller.length, recorded.target.length]).toEqual([4, 3]);
    const { controller, target } = couple();
    for (const frame of recorded.controller) target.receive(frame);
    controller.handle({ type: "start" });
    for (const frame of recorded.target) controller.receive(frame);
    expect(target.failure).toBe("pairing_frame_invalid");
    expect(controller.failure).toBe("pairing_frame_invalid");
    expect(target.disk.size + controller.disk.size).toBe(0);
  });
});

describe("what a handshake leaves in memory", () => {
  const recorder = () => {
    const drawn: Uint8Array[] = [];
    const random = (length: number) => {
      const bytes = crypto.randomBytes(length);
      drawn.push(bytes);
      return bytes;
    };
    return { drawn, random };
  };

  it("is no ephemeral key once the keys are agreed", () => {
    const [c, t] = [recorder(), recorder()];
    meet(couple({ controller: c, target: t }));
    expect([c.drawn[0], t.drawn[0]]).toEqual([new Uint8Array(32), new Uint8Array(32)]);
  });

  it("is no ephemeral key when it ends before", () => {
    const { drawn, random } = recorder();
    const { target } = couple({ target: { random } });
    target.receive(new Uint8Array(32));
    expect(drawn[0]).not.toEqual(new Uint8Array(32));
    target.handle({ type: "peer_left" });
    expect(drawn[0]).toEqual(new Uint8Array(32));
  });
});
