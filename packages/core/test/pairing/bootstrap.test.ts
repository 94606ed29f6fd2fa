import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  meetAsController,
  meetAsTarget,
  type PairingEffect,
  type PairingHandshake,
  type PairingInput,
} from "../../src/index.js";
import { commitmentTo, transcriptHash } from "../../src/pairing/transcript.js";
import { type Device, device, laptop, server } from "./side.js";

const jti = "AAAAAAAAAAAAAAAAAAAAAA";

/** One side that answers everything by itself. */
class Party {
  readonly effects: PairingEffect[] = [];
  readonly outbox: Uint8Array[] = [];
  readonly #handshake: PairingHandshake;
  readonly #device: Device;

  constructor(handshake: PairingHandshake, owner: Device) {
    this.#handshake = handshake;
    this.#device = owner;
  }

  get state(): string {
    return this.#handshake.state;
  }

  get types(): readonly string[] {
    return this.effects.map(({ type }) => type);
  }

  /** Code of the failure, and whether it counts for the cool-down. */
  get failure(): readonly unknown[] | undefined {
    const last = this.effects.at(-1);
    return last?.type === "failed" ? [last.failure.code, last.revealed] : undefined;
  }

  handle(input: PairingInput): void {
    for (const effect of this.#handshake.handle(input)) {
      this.effects.push(effect);
      if (effect.type === "send") this.outbox.push(effect.frame);
      if (effect.type === "sign")
        this.handle({ type: "signed", signature: this.#device.sign(effect.message) });
      if (effect.type === "store_target") this.handle({ type: "stored" });
    }
  }
}

function meeting({ by = laptop, expected = laptop, known = jti, owner = server } = {}) {
  const controller = new Party(
    meetAsController({ publicKey: by.publicKey, friendlyName: by.friendlyName, jti }),
    by,
  );
  const own = { publicKey: owner.publicKey, friendlyName: owner.friendlyName };
  const target = new Party(meetAsTarget({ ...own, jti: known, controller: expected.publicKey }), owner);
  return { controller, target };
}

type Change = (frame: Uint8Array, index: number) => Uint8Array;

function run({ controller, target }: ReturnType<typeof meeting>, change: Change = (frame) => frame) {
  let index = 0;
  controller.handle({ type: "start" });
  for (;;) {
    const from = [controller, target].find(({ outbox }) => outbox.length > 0);
    const frame = from?.outbox.shift();
    if (frame === undefined) return { controller, target };
    (from === controller ? target : controller).handle({ type: "frame", bytes: change(frame, index++) });
  }
}

describe("two machines that share the jti of a bootstrap token", () => {
  it("meet without a question, and the controller alone has something to store", () => {
    const { controller, target } = run(meeting());
    expect([controller.state, target.state]).toEqual(["done", "done"]);
    expect(controller.types).toEqual(["send", "send", "sign", "send", "store_target", "send", "done"]);
    expect(target.types).toEqual(["send", "sign", "send", "send", "deadline", "done"]);
    expect(controller.effects.find(({ type }) => type === "store_target")).toMatchObject({
      peer: { deviceId: server.publicKey.deviceId, friendlyName: "prod-api" },
    });
  });

  it("do not meet when one of them has another jti", () => {
    const { controller, target } = run(meeting({ known: "BBBBBBBBBBBBBBBBBBBBBA" }));
    expect(target.failure).toEqual(["pairing_frame_invalid", false]);
    expect(controller.types).not.toContain("store_target");
  });

  it("a target meets nobody but who signed the token, and does not show itself to others", () => {
    const { controller, target } = run(meeting({ by: device("somebody with the token") }));
    expect(target.failure).toEqual(["pairing_identity_invalid", false]);
    expect(target.types).toEqual(["send", "failed"]);
    expect(controller.state).toBe("expectingIdentity");
  });

  it("a controller does not meet itself", () => {
    const { target } = run(meeting({ owner: laptop }));
    expect(target.failure).toEqual(["pairing_own_key", false]);
  });

  it.each([0, 1, 2, 3, 4, 5])(
    "a change of the message %d ends the meeting, and nothing is stored",
    (changed) => {
      const { controller, target } = run(meeting(), (frame, index) => {
        const copy = Uint8Array.from(frame);
        if (index === changed) copy[copy.length - 1] = (copy.at(-1) ?? 0) ^ 1;
        return copy;
      });
      expect(controller.types).not.toContain("store_target");
      expect([controller.failure, target.failure].filter((failed) => failed !== undefined)).toHaveLength(1);
    },
  );

  it("a failure never counts as a guess at a code", () => {
    const { controller, target } = meeting();
    controller.handle({ type: "start" });
    target.handle({ type: "frame", bytes: controller.outbox.shift() ?? new Uint8Array() });
    controller.handle({ type: "frame", bytes: target.outbox.shift() ?? new Uint8Array() });
    for (const side of [controller, target]) side.handle({ type: "timeout" });
    expect(controller.failure).toEqual(["pairing_timeout", false]);
    expect(target.failure).toEqual(["pairing_timeout", false]);
  });
});

it("the transcript is that of the conformance vector, with the jti in place of the digits", () => {
  const file = new URL("../../../../test/conformance/vectors/bootstrap-1.json", import.meta.url);
  const vectors = JSON.parse(readFileSync(file, "utf8"));
  const bytes = (name: string) => Uint8Array.from(Buffer.from(vectors.meeting[name], "hex"));
  const shares = { target: bytes("targetShare"), controller: bytes("controllerShare") };
  expect(commitmentTo(shares.controller)).toEqual(bytes("commitment"));
  expect(transcriptHash(vectors.jti, bytes("commitment"), shares)).toEqual(bytes("transcript"));
});
