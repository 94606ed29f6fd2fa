import { concatBytes } from "@authmesh/core";
import { Malformed, sized, Unmarshaller, u16, u32 } from "./marshal.js";
import { type Concern, TpmRefusal } from "./response-codes.js";
import { notATpm } from "./trouble.js";

/** What a command uses: authorised by an empty password, or by the policy that a session has fulfilled. */
export type Use = number | { readonly handle: number; readonly session: number };

/** One command, and how its answer is read. */
export interface Command<T> {
  /** As the TPM 2.0 Library names it, for errors. */
  readonly name: string;
  readonly code: number;
  /** What its errors are about, when not the owner hierarchy or the key's file. */
  readonly concern?: Concern | undefined;
  readonly uses?: readonly Use[];
  /** Handles that follow those, and need no authorisation. */
  readonly names?: readonly number[];
  readonly parameters: Uint8Array;
  /** The answer begins with the handle of a new object or session. */
  readonly makesObject?: true;
  /** Must read the answer's parameters to their end. */
  readonly read: (parameters: Unmarshaller, handle: number) => T;
}

const tags = { plain: 0x8001, authorised: 0x8002, tpm12: 0x00c4 } as const;
const headerLength = 10;

/** No answer of a TPM is longer. */
export const maxMessageLength = 4096;

const passwordSession = 0x40000009; // TPM_RS_PW
const continueSession = 1;

export function writeCommand({ code, uses = [], names = [], parameters }: Command<unknown>): Uint8Array {
  const handles = [...uses.map((use) => (typeof use === "number" ? use : use.handle)), ...names];
  const authorisation = concatBytes(...uses.map(writeAuthorisation));
  const isAuthorised = uses.length > 0;
  const body = concatBytes(
    ...handles.map(u32),
    isAuthorised ? concatBytes(u32(authorisation.length), authorisation) : authorisation,
    parameters,
  );
  const tag = isAuthorised ? tags.authorised : tags.plain;
  return concatBytes(u16(tag), u32(headerLength + body.length), u32(code), body);
}

/** Neither an empty password nor a session without a key of its own has a nonce and an HMAC to send. */
function writeAuthorisation(use: Use): Uint8Array {
  const [session, attributes] =
    typeof use === "number" ? [passwordSession, 0] : [use.session, continueSession];
  return concatBytes(u32(session), sized(), Uint8Array.of(attributes), sized());
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
  if (responseCode !== 0) throw new TpmRefusal(command, responseCode);
  const { uses = [] } = command;
  const isAuthorised = uses.length > 0;
  if (tag !== (isAuthorised ? tags.authorised : tags.plain)) throw new Malformed("it has another tag");
  const handle = command.makesObject ? answer.u32() : 0;
  const parameters = new Unmarshaller(isAuthorised ? answer.take(answer.u32()) : answer.rest());
  for (const use of uses) readAuthorisation(answer, use);
  answer.end();
  const result = command.read(parameters, handle);
  parameters.end();
  return result;
}

/** A password is acknowledged without nonce and HMAC, a session with a new nonce. */
function readAuthorisation(answer: Unmarshaller, use: Use): void {
  answer.sized(typeof use === "number" ? 0 : 64);
  answer.u8();
  answer.sized(0);
}
