import { createPublicKey, type KeyObject } from "node:crypto";

const spkiPrefix = Buffer.from("3039301306072a8648ce3d020106082a8648ce3d030107032200", "hex");

/** A compressed point of P-256 as whoever uses node:crypto by hand would import it, once. */
export const keyObjectOf = (compressed: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([spkiPrefix, compressed]), format: "der", type: "spki" });
