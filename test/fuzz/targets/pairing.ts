/** What a relay and the other side of a pairing say. */
import {
  concatBytes,
  formatClientMessage,
  formatRelayMessage,
  type PairingEffect,
  type PairingHandshake,
  type PairingInput,
  pairAsController,
  pairAsTarget,
  parseClientMessage,
  parseRelayMessage,
  utf8,
} from "@authmesh/core";
import { crypto as provider } from "../../../packages/core/src/crypto/node.js";
import {
  readAcknowledgement,
  readVerdict,
  SealedChannel,
} from "../../../packages/core/src/pairing/frames.js";
import { readIdentity } from "../../../packages/core/src/pairing/identity-statement.js";
import { deviceKey } from "../subjects.js";
import { bytes, json, mustBeEqual, type Target } from "../target.js";

const messageWords = [
  '{"type":',
  '"listen"',
  '"connect"',
  '"data"',
  '"payload":',
  '"otc":"482916"',
  "}",
  '"error"',
  '"code":',
];
const key = new Uint8Array(32).fill(9);
const transcript = new Uint8Array(32).fill(3);

const options = {
  publicKey: deviceKey.publicKey,
  friendlyName: "till 1",
  rendezvous: "482916",
  random: (length: number) => new Uint8Array(length).fill(5),
};

/** What the other side of the seed shows: ephemeral keys and nonces are always the same here. */
const codeShown = "833219";

/** What this side says to what its handshake asks for. */
const answers: Partial<Record<PairingEffect["type"], PairingInput>> = {
  confirm: { type: "accepted" },
  ask_code: { type: "code_entered", text: codeShown },
  store_pending: { type: "stored" },
  store_target: { type: "stored" },
  activate: { type: "stored" },
};

/** Hands a handshake frames, each behind a byte that says how long it is, and does what it asks for. */
function play(handshake: PairingHandshake, input: Uint8Array): { readonly state: string } {
  const hand = (given: PairingInput) => {
    for (const effect of handshake.handle(given)) {
      const answer =
        effect.type === "sign"
          ? ({ type: "signed", signature: deviceKey.sign(effect.message) } as const)
          : answers[effect.type];
      if (answer !== undefined) hand(answer);
    }
  };
  for (let at = 0; at < input.length; at += 1 + (input[at] as number))
    hand({ type: "frame", bytes: input.slice(at + 1, at + 1 + (input[at] as number)) });
  return { state: handshake.state };
}

export const pairing: readonly Target[] = [
  json(
    "relay-hears",
    (frame) => {
      const message = parseClientMessage(frame);
      if (!("type" in message)) return message;
      mustBeEqual(parseClientMessage(formatClientMessage(message)), message, "a message, written and read");
      return { message };
    },
    { words: messageWords },
  ),
  json(
    "relay-says",
    (frame) => {
      const message = parseRelayMessage(frame);
      if (!("type" in message)) return message;
      mustBeEqual(parseRelayMessage(formatRelayMessage(message)), message, "a message, written and read");
      return { message };
    },
    { words: messageWords },
  ),
  bytes("pairing-controller", (input) => {
    const handshake = pairAsController(options);
    handshake.handle({ type: "start" });
    return play(handshake, input);
  }),
  bytes("pairing-target", (input) => play(pairAsTarget(options), input)),
  json("pairing-frame", (plaintext) => {
    const type = Uint8Array.of(2);
    const sealed = provider.seal(key, new Uint8Array(12), utf8(plaintext), concatBytes(transcript, type));
    const channel = new SealedChannel({ sending: key, receiving: key, transcript });
    const message = channel.open("verdict", concatBytes(type, sealed));
    if ("ack" in message) return { acknowledged: readAcknowledgement(message) };
    if ("verdict" in message) return { verdict: readVerdict(message) };
    return readIdentity(message, "controller", transcript);
  }),
];
