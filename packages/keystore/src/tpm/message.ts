import { concatBytes } from "@authmesh/core";
import { Malformed, sized, Unmarshaller, u16, u32 } from "./marshal.js";
import { TpmRefusal } from "./response-codes.js";
import { notATpm } from "./trouble.js";

/** One command, and how its answer is read. */
export interface Command<T> {
  /** As the TPM 2.0 Library names it, for errors. */
  readonly name: string;
  readonly code: number;
  /** The handle that is used, authorised by an empty password. */
  readonly handle?: number;
  readonly parameters: Uint8Array;
  /** The answer begins with the handle of a new object. */
  readonly makesObject?: true;
  /** Must read the answer's parameters to their end. */
  readonly read: (parameters: Unmarshaller, handle: number) => T;
}

const tags = { plain: 0x8001, authorised: 0x8002, tpm12: 0x00c4 } as const;
const headerLength = 10;

/** No answer of a TPM is longer. */
export const maxMessageLength = 4096;

// TPM_RS_PW without a nonce, attributes or password.
const emptyPassword = concatBytes(u32(0x40000009), sized(), Uint8Array.of(0), sized());

export function writeCommand({ code, handle, parameters }: Command<unknown>): Uint8Array {
  const authorisation = handle === undefined ? [] : [u32(handle), u32(emptyPassword.length), emptyPassword];
  const body = concatBytes(...authorisation, parameters);
  const tag = handle === undefined ? tags.plain : tags.authorised;
  return concatBytes(u16(tag), u32(headerLength + body.length), u32(code), body);
}

/**
 * How long the answer is that begins with these bytes; undefined while they do not tell.
 *
 * @throws TpmTrouble when no answer begins so
 */
export function answerLength(start: Uint8Array): number | undefined {
  if (start.length < 6) return undefined;
  const reader = new Unmarshaller(start);
  const tag = reader.u16();
  if (!Object.values<number>(tags).includes(tag)) throw notATpm("it sends something else");
  const length = reader.u32();
  if (length < headerLength || length > maxMessageLength) throw notATpm(`an answer of ${length} bytes`);
  return length;
}

/** @throws TpmTrouble for anything but a whole answer that says success */
export function readAnswer<T>(command: Command<T>, answer: Uint8Array): T {
  if (answerLength(answer) !== answer.length) throw notATpm("an answer is not as long as it says");
  try {
    return readWhole(command, new Unmarshaller(answer));
  } catch (error) {
    if (error instanceof Malformed) throw notATpm(`the answer to ${command.name}: ${error.message}`);
    throw error;
  }
}

function readWhole<T>(command: Command<T>, answer: Unmarshaller): T {
  const tag = answer.u16();
  answer.u32();
  const responseCode = answer.u32();
  if (tag === tags.tpm12) throw notATpm("it speaks as a TPM 1.2");
  if (responseCode !== 0) throw new TpmRefusal(command.name, responseCode);
  const isAuthorised = command.handle !== undefined;
  if (tag !== (isAuthorised ? tags.authorised : tags.plain)) throw new Malformed("it has another tag");
  const handle = command.makesObject ? answer.u32() : 0;
  const parameters = new Unmarshaller(isAuthorised ? answer.take(answer.u32()) : answer.rest());
  if (isAuthorised) readAuthorisation(answer);
  answer.end();
  const result = command.read(parameters, handle);
  parameters.end();
  return result;
}

/** A password is acknowledged without nonce and HMAC. */
function readAuthorisation(answer: Unmarshaller): void {
  answer.sized(0);
  answer.u8();
  answer.sized(0);
}
