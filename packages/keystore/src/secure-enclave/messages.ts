import { type JsonValue, PublicKey, parseStrictJson, toBase64, utf8 } from "@authmesh/core";
import { Misfit, oneOf, optional, type Reader, record, text } from "@authmesh/core/records";
import { base64Bytes, publicKey } from "../internal/members.js";
import { notTheHelper, refusalCodes, refused } from "./refusals.js";

/** The protocol of the helper (docs/protocol.md, section 11): one object of JSON a line, each way. */

/** No line is longer, its end included. */
export const maxLineLength = 16_384;

/** The Enclave's own form of a key: only that Enclave can use it. */
export const maxWrappedKeyLength = 2048;

/** What the helper is asked for, and how its answer is read. */
export interface HelperCommand<T> {
  readonly request: Readonly<Record<string, string>>;
  readonly read: Reader<T>;
}

/** A point of the curve. */
export const point: Reader<PublicKey> = (value, at) => {
  try {
    return PublicKey.fromBase64(publicKey(value, at));
  } catch (cause) {
    throw cause instanceof Misfit ? cause : new Misfit(`${at} is not a point of P-256`, { cause });
  }
};

/** Whether the Enclave can be used: its refusal says why not. */
export const probe: HelperCommand<{ readonly helper: string }> = {
  request: { do: "probe" },
  read: record({ helper: text(/^[0-9]{1,4}\.[0-9]{1,4}$/, "a version") }),
};

export interface MadeKeys {
  readonly publicKey: PublicKey;
  readonly signingKey: Uint8Array;
  readonly agreementPublicKey: PublicKey;
  readonly agreementKey: Uint8Array;
}

export const make: HelperCommand<MadeKeys> = {
  request: { do: "make" },
  read: record({
    publicKey: point,
    signingKey: base64Bytes(1, maxWrappedKeyLength),
    agreementPublicKey: point,
    agreementKey: base64Bytes(1, maxWrappedKeyLength),
  }),
};

export const sign = (
  signingKey: Uint8Array,
  digest: Uint8Array,
): HelperCommand<{ readonly signature: Uint8Array }> => ({
  request: { do: "sign", signingKey: toBase64(signingKey), digest: toBase64(digest) },
  read: record({ signature: base64Bytes(1, 72) }),
});

export const agree = (
  agreementKey: Uint8Array,
  peer: PublicKey,
): HelperCommand<{ readonly secret: Uint8Array }> => ({
  request: { do: "agree", agreementKey: toBase64(agreementKey), peer: peer.base64 },
  read: record({ secret: base64Bytes(32, 32) }),
});

export const writeRequest = ({ request }: HelperCommand<unknown>): Uint8Array =>
  utf8(`${JSON.stringify({ version: 1, ...request })}\n`);

const refusal = record({
  code: oneOf(...refusalCodes),
  detail: optional(text(/^[\x20-\x7e]{1,200}$/, "a line of printable ASCII")),
});

/**
 * Reads all that the helper wrote.
 *
 * @throws Trouble for anything but one line with a result
 */
export function readAnswer<T>(command: HelperCommand<T>, output: Uint8Array): T {
  if (output.length === 0) throw notTheHelper("it says nothing");
  if (output.indexOf(lineFeed) !== output.length - 1) throw notTheHelper("it does not answer with one line");
  const { value, problem } = parseStrictJson(output, { maxLength: maxLineLength });
  if (problem !== undefined) throw notTheHelper(problem);
  return readResult(command, value);
}

const lineFeed = 0x0a;

function readResult<T>({ read }: HelperCommand<T>, value: JsonValue): T {
  const shape = record({ version: oneOf(1), ok: optional(read), error: optional(refusal) });
  try {
    const answer = shape(value, "");
    if (Object.keys(answer).length !== 2) throw new Misfit("it has not one of ok and error");
    const { error } = answer;
    if (error !== undefined) throw refused(error.code, error.detail);
    return answer.ok as T;
  } catch (error) {
    throw error instanceof Misfit ? notTheHelper(error.message, error) : error;
  }
}
