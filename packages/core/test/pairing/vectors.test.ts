import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { computeSharedSecret, PrivateKey, toHex } from "../../src/index.js";
import { commitmentTo, derivePairingKeys, transcriptHash } from "../../src/pairing/transcript.js";
import type { Role } from "../../src/signable.js";
import * as book from "./by-the-book.js";
import { confirm, meet, Side } from "./side.js";

interface Party {
  devicePrivateKey: string;
  publicKey: string;
  friendlyName: string;
  ephemeralPrivateKey: string;
  nonce: string;
  share: string;
  statement: string;
  signed: string;
  signature: string;
  message: string;
}
interface Pairing {
  name: string;
  code: string;
  controller: Party;
  target: Party;
  commitment: string;
  sharedSecret: string;
  transcript: string;
  keys: { c2t: string; t2c: string; sas: string };
  verificationCode: string;
  frames: { from: Role; bytes: string }[];
}

const file = new URL("../../../../test/conformance/vectors/pairing-1.json", import.meta.url);
const { pairings } = JSON.parse(readFileSync(file, "utf8")) as { pairings: Pairing[] };
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));

describe.each(pairings)("the conformance vector: $name", (vector) => {
  const { controller, target } = vector;
  const transcript = bytes(vector.transcript);
  const seen = {
    code: vector.code,
    commitment: bytes(vector.commitment),
    targetShare: bytes(target.share),
    controllerShare: bytes(controller.share),
  };

  it("holds the values that both implementations compute, piece by piece", () => {
    expect(toHex(commitmentTo(seen.controllerShare))).toBe(vector.commitment);
    expect(toHex(book.commitment(seen.controllerShare))).toBe(vector.commitment);
    const shares = { controller: seen.controllerShare, target: seen.targetShare };
    expect(toHex(transcriptHash(vector.code, seen.commitment, shares))).toBe(vector.transcript);
    expect(toHex(book.transcript(seen))).toBe(vector.transcript);
    const secret = computeSharedSecret(
      bytes(controller.ephemeralPrivateKey),
      seen.targetShare.subarray(0, 33),
    );
    expect(toHex(secret)).toBe(vector.sharedSecret);
    expect(toHex(book.ecdh(bytes(target.ephemeralPrivateKey), seen.controllerShare.subarray(0, 33)))).toBe(
      vector.sharedSecret,
    );
    const derived = derivePairingKeys(secret, transcript, 6);
    expect(toHex(derived.controllerToTarget)).toBe(vector.keys.c2t);
    expect(toHex(derived.targetToController)).toBe(vector.keys.t2c);
    expect(derived.verificationCode).toBe(vector.verificationCode);
    expect(book.verificationCode(secret, transcript)).toBe(vector.verificationCode);
    expect(toHex(book.hkdf(secret, transcript, "amesh/pair/1 sas"))).toBe(vector.keys.sas);
  });

  it.each(["controller", "target"] as const)(
    "holds what the %s says of itself, signed by its key",
    (role) => {
      const { publicKey, friendlyName, statement, signed, signature, message } = vector[role];
      expect(statement).toBe(book.statement(publicKey, friendlyName));
      expect(signed).toBe(toHex(book.signedBytes(role, transcript, statement)));
      expect(book.verifies(Buffer.from(publicKey, "base64"), bytes(signed), bytes(signature))).toBe(true);
      expect(JSON.parse(message)).toEqual({
        publicKey,
        friendlyName,
        sig: Buffer.from(signature, "hex").toString("base64url"),
      });
    },
  );

  it("is what two machines send that draw its random values", () => {
    const party = (role: Role) => {
      const { devicePrivateKey, friendlyName, ephemeralPrivateKey, nonce, signed, signature } = vector[role];
      const { publicKey } = PrivateKey.fromBytes(bytes(devicePrivateKey));
      const draws = [bytes(ephemeralPrivateKey), bytes(nonce)];
      const sign = (message: Uint8Array) => {
        expect(toHex(message)).toBe(signed);
        return bytes(signature);
      };
      const random = () => draws.shift() as Uint8Array;
      return new Side(role, { publicKey, friendlyName, sign }, { code: vector.code, random });
    };
    const both = { controller: party("controller"), target: party("target") };
    const sent: { from: Role; bytes: string }[] = [];
    const record = (frame: Uint8Array, from: Side) => {
      sent.push({ from: from.role, bytes: toHex(frame) });
      return frame;
    };
    confirm(meet(both, record), record);
    expect(sent).toEqual(vector.frames);
    expect(both.controller.shown).toBe(vector.verificationCode);
    expect(both.target.last("done")?.peer.friendlyName).toBe(controller.friendlyName);
    expect(both.controller.last("done")?.peer.friendlyName).toBe(target.friendlyName);
  });

  it("opens to the messages it names", () => {
    const [, , , fromController, fromTarget, verdict, acknowledgement] = vector.frames.map((frame) =>
      bytes(frame.bytes),
    );
    const { c2t, t2c } = { c2t: bytes(vector.keys.c2t), t2c: bytes(vector.keys.t2c) };
    expect(book.open(c2t, 0, transcript, fromController as Uint8Array)).toBe(controller.message);
    expect(book.open(t2c, 0, transcript, fromTarget as Uint8Array)).toBe(target.message);
    expect(book.open(t2c, 1, transcript, verdict as Uint8Array)).toBe('{"verdict":"ok"}');
    expect(book.open(c2t, 1, transcript, acknowledgement as Uint8Array)).toBe('{"ack":true}');
  });
});
