import { type AuditEvent, isJsonObject, type JsonObject, parseStrictJson, sha256Hex } from "@authmesh/core";
import { encodeEvent, longestLine } from "./encode-event.js";

/** Where a hash chain stands: the number of its last line, and the SHA-256 of that line in lower-case hex. */
export interface ChainHead {
  readonly sequence: number;
  readonly hash: string;
}

/** Before the first line. */
export const chainStart: ChainHead = { sequence: 0, hash: "0".repeat(64) };

/** A line of a chain, as it was read. */
export interface ChainLine {
  /** The event and its two attributes of the chain. */
  readonly event: JsonObject & { readonly type: string; readonly data: JsonObject };
  readonly sequence: number;
  /** What the line says is the hash of the one before it. */
  readonly previous: string;
  /** Of the line itself. */
  readonly hash: string;
}

/** The line of an event behind `head`, without its end, and where the chain stands then (docs/protocol.md, section 13.3). */
export function chainEvent(
  event: AuditEvent,
  head: ChainHead,
): { readonly line: string; readonly head: ChainHead } {
  const sequence = head.sequence + 1;
  const line = encodeEvent(event, { prevhash: head.hash, sequence: String(sequence).padStart(16, "0") });
  return { line, head: { sequence, hash: sha256Hex(line) } };
}

/** Reads a line without its end. Undefined for what is no line of a chain; never throws. */
export function readChainLine(bytes: Uint8Array): ChainLine | undefined {
  const { value } = parseStrictJson(bytes, { maxLength: 4 * longestLine, maxDepth: 64 });
  if (!isJsonObject(value)) return undefined;
  const { type, data, prevhash, sequence } = value;
  if (typeof type !== "string" || !isJsonObject(data)) return undefined;
  if (typeof prevhash !== "string" || !/^[0-9a-f]{64}$/.test(prevhash)) return undefined;
  if (typeof sequence !== "string" || !/^0[0-9]{15}$/.test(sequence)) return undefined;
  return {
    event: value as ChainLine["event"],
    sequence: Number(sequence),
    previous: prevhash,
    hash: sha256Hex(bytes),
  };
}
