import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  catalogue,
  failure,
  type PairingEffect,
  type PairingHandshake,
  type PairingInput,
} from "../../src/index.js";
import { begin } from "../../src/pairing/handshake.js";
import type { Role } from "../../src/signable.js";
import { laptop, rendezvous, server } from "./side.js";

/** Every move there is, written down a second time. In each other cell of the table there is only failure. */
const moves: Record<Role, Record<string, Partial<Record<PairingInput["type"], string>>>> = {
  controller: {
    idle: { start: "expectingShare" },
    expectingShare: { frame: "signing" },
    signing: { signed: "expectingIdentity" },
    expectingIdentity: { frame: "expectingVerdict" },
    expectingVerdict: { frame: "storing" },
    storing: { stored: "done" },
    done: {},
    failed: {},
  },
  target: {
    expectingCommitment: { frame: "expectingShare" },
    expectingShare: { frame: "expectingIdentity" },
    expectingIdentity: { frame: "signing" },
    signing: { signed: "confirming" },
    confirming: { accepted: "askingCode" },
    askingCode: { code_entered: "storing" },
    storing: { stored: "expectingAcknowledgement" },
    expectingAcknowledgement: { frame: "activating" },
    activating: { stored: "done", timeout: "activating", peer_left: "activating" },
    done: {},
    failed: {},
  },
};

/** What the failing states leave behind them, beside `failed`: a verdict for the peer, an entry to remove. */
const farewells: Record<string, readonly string[]> = {
  "controller storing": ["discard"],
  "target confirming": ["send"],
  "target askingCode": ["send"],
  "target storing": ["send", "discard"],
  "target expectingAcknowledgement": ["discard"],
  "target activating": ["discard"],
};

const unrevealed = ["controller idle", "controller expectingShare", "target expectingCommitment"];

const samples: Record<PairingInput["type"], PairingInput> = {
  start: { type: "start" },
  frame: { type: "frame", bytes: new Uint8Array(65).fill(2) },
  signed: { type: "signed", signature: new Uint8Array(64) },
  accepted: { type: "accepted" },
  code_entered: { type: "code_entered", text: "000000" },
  stored: { type: "stored" },
  timeout: { type: "timeout" },
  peer_left: { type: "peer_left" },
  abort: { type: "abort", failure: failure("pairing_cancelled") },
};
const fromThisSide = ["start", "signed", "accepted", "code_entered", "stored"];

/** The answers a good driver gives, one at a time. */
function answerTo(effect: PairingEffect, sign: (message: Uint8Array) => Uint8Array, shown: string) {
  const answers: Partial<Record<PairingEffect["type"], () => PairingInput>> = {
    sign: () => ({ type: "signed", signature: sign((effect as { message: Uint8Array }).message) }),
    confirm: () => ({ type: "accepted" }),
    ask_code: () => ({ type: "code_entered", text: shown }),
    store_pending: () => ({ type: "stored" }),
    store_target: () => ({ type: "stored" }),
    activate: () => ({ type: "stored" }),
  };
  return answers[effect.type]?.();
}

/** A handshake in the wanted state, and the input that is due in it. */
function reach(role: Role, state: string): { handshake: PairingHandshake; due: PairingInput | undefined } {
  const devices = { controller: laptop, target: server };
  const sides = {
    controller: begin("controller", { ...laptop, rendezvous }),
    target: begin("target", { ...server, rendezvous }),
  };
  if (state === "failed") sides[role].handle({ type: "timeout" });
  let shown = "";
  const queue: { at: Role; input: PairingInput }[] = [{ at: "controller", input: { type: "start" } }];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { at, input } = next;
    if (at === role && sides[role].state === state) return { handshake: sides[role], due: input };
    for (const effect of sides[at].handle(input)) {
      if (effect.type === "show_code") shown = effect.code;
      if (effect.type === "send") {
        const peer = at === "controller" ? "target" : "controller";
        queue.push({ at: peer, input: { type: "frame", bytes: effect.frame } });
      }
      const answer = answerTo(effect, devices[at].sign, shown);
      if (answer !== undefined) queue.push({ at, input: answer });
    }
  }
  expect(sides[role].state).toBe(state);
  return { handshake: sides[role], due: undefined };
}

const states = (Object.keys(moves) as Role[]).flatMap((role) =>
  Object.entries(moves[role]).map(([state, row]) => ({ role, state, row })),
);
const cells = states.flatMap(({ role, state, row }) =>
  (Object.keys(samples) as PairingInput["type"][]).map((type) => ({ role, state, type, next: row[type] })),
);
const ended = (state: string) => state === "done" || state === "failed";

describe("the table of transitions", () => {
  it.each(cells.filter(({ next }) => next !== undefined))(
    "$role, $state: $type leads to $next",
    ({ role, state, type, next }) => {
      const { handshake, due } = reach(role, state);
      handshake.handle(due?.type === type ? due : samples[type]);
      expect(handshake.state).toBe(next);
    },
  );

  it.each(cells.filter(({ state, type, next }) => !next && !ended(state) && !fromThisSide.includes(type)))(
    "$role, $state: $type ends the handshake",
    ({ role, state, type }) => {
      const { handshake } = reach(role, state);
      const effects = handshake.handle(samples[type]);
      const lost = state === "expectingAcknowledgement" ? "pairing_unconfirmed" : undefined;
      const code = {
        frame: "pairing_frame_invalid",
        timeout: lost ?? "pairing_timeout",
        peer_left: lost ?? "pairing_peer_left",
        abort: "pairing_cancelled",
      }[type as "frame" | "timeout" | "peer_left" | "abort"];
      const expected = [...(farewells[`${role} ${state}`] ?? []), "failed"];
      expect(effects.map((effect) => effect.type)).toEqual(expected);
      expect(effects.at(-1)).toMatchObject({
        failure: { code },
        revealed: !unrevealed.includes(`${role} ${state}`),
      });
      expect(handshake.state).toBe("failed");
    },
  );

  it.each(cells.filter(({ state, type, next }) => !next && !ended(state) && fromThisSide.includes(type)))(
    "$role, $state: $type is a mistake of the driver and changes nothing",
    ({ role, state, type }) => {
      const { handshake } = reach(role, state);
      expect(() => handshake.handle(samples[type])).toThrow(TypeError);
      expect(handshake.state).toBe(state);
    },
  );

  it.each(cells.filter(({ state }) => ended(state)))(
    "$role, $state: $type does nothing",
    ({ role, state, type }) => {
      const { handshake } = reach(role, state);
      expect(handshake.handle(samples[type])).toEqual([]);
      expect(handshake.state).toBe(state);
    },
  );

  it.each(states.filter(({ state }) => !ended(state)))(
    "$role, $state: after a failure even the right input does nothing",
    ({ role, state }) => {
      const { handshake, due } = reach(role, state);
      handshake.handle(samples.abort);
      expect(handshake.handle(due as PairingInput)).toEqual([]);
      expect(handshake.state).toBe("failed");
    },
  );

  it.each(states.filter(({ row }) => row.frame !== undefined))(
    "$role, $state: whatever the bytes, a failure of the catalogue or the next state",
    ({ role, state, row }) => {
      const { due } = reach(role, state);
      const genuine = (due as { bytes: Uint8Array }).bytes;
      const bytes = fc.oneof(
        fc.uint8Array({ maxLength: 5000 }),
        fc.uint8Array({ minLength: 32, maxLength: 32 }),
        fc.uint8Array({ minLength: 65, maxLength: 65 }).map((share) => share.with(0, 2)),
        fc.uint8Array({ minLength: 17, maxLength: 200 }).map((frame) => frame.with(0, genuine[0] as number)),
      );
      fc.assert(
        fc.property(bytes, (arbitrary) => {
          const { handshake } = reach(role, state);
          const effects = handshake.handle({ type: "frame", bytes: arbitrary });
          const last = effects.at(-1);
          if (last?.type === "failed") return last.failure.code in catalogue && handshake.state === "failed";
          return handshake.state === row.frame;
        }),
        { numRuns: 25 },
      );
    },
  );
});
