import { hkdfSync } from "node:crypto";
import { utf8 } from "@authmesh/core";

/** What a seal is of. No two kinds of files share a key. */
export type SealLabel = "amesh/allow-list/1" | "amesh/trust-feed/1";

/** The key of a seal (docs/protocol.md, section 11.4), different for every identity even of one key store. */
export function sealKeyOf(sealingSecret: Uint8Array, deviceId: string, label: SealLabel): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", sealingSecret, utf8(deviceId), utf8(label), 32));
}
