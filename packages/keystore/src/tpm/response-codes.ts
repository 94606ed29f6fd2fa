import type { ErrorCode } from "@authmesh/core";
import type { Command } from "./message.js";
import { TpmTrouble } from "./trouble.js";

/** What a response code means for us (TPM 2.0 Library, part 2, section 6.6). */
interface Meaning {
  readonly reason: string;
  /** Default `key_store_unavailable`. */
  readonly code?: ErrorCode;
  readonly fix?: string;
  /** What to do before the same command is sent again. */
  readonly remedy?: "wait" | "sweep";
}

const busy = (reason: string): Meaning => ({ reason, code: "key_store_busy", remedy: "wait" });
const full = (reason: string): Meaning => ({ reason, code: "key_store_busy", remedy: "sweep" });
const ownerPassword =
  "Clear the password of the owner hierarchy (tpm2_changeauth -c owner -p PASSWORD), or use another key store.";
const notThisTpm: Meaning = {
  reason: "the key was made by another TPM, or by this one before it was cleared, or its file was changed",
  code: "key_store_changed",
};
const unfitBlob: Meaning = {
  reason: "the TPM cannot read what the key's file gave it",
  code: "key_store_damaged",
};

const endorsementOff: Meaning = {
  reason: "its endorsement hierarchy is switched off",
  code: "attestation_unavailable",
};
const endorsementPassword: Meaning = {
  reason: "its endorsement hierarchy has a password",
  code: "attestation_unavailable",
  fix: "Clear the password of the endorsement hierarchy (tpm2_changeauth -c endorsement -p PASSWORD).",
};
const unreadableCertificate: Meaning = {
  reason: "it does not let its endorsement certificate be read",
  code: "attestation_unavailable",
};
const notThisChallenge: Meaning = {
  reason: "the challenge is for another TPM or another key, or was changed",
  code: "attestation_refused",
};

// Errors about a handle, a parameter or a session say which one in bits that are masked out here.
const meanings: ReadonlyMap<number, Meaning> = new Map([
  [0x085, { reason: "its owner hierarchy is switched off" }], // HIERARCHY
  [0x08b, { reason: "it no longer knows an object that was loaded a moment ago" }], // HANDLE
  [0x08e, { reason: "its owner hierarchy has a password", fix: ownerPassword }], // AUTH_FAIL
  [0x09f, notThisTpm], // INTEGRITY
  [0x0a2, { reason: "its owner hierarchy has a password", fix: ownerPassword }], // BAD_AUTH
  [0x0a5, notThisTpm], // BINDING
  [0x0a6, { reason: "it does not know the curve P-256" }], // CURVE
  [0x0a7, notThisTpm], // ECC_POINT
  [0x100, { reason: "nobody has started it up since it was switched on (TPM2_Startup)" }], // INITIALIZE
  [0x101, { reason: "it failed its self-test and works no more until it is reset" }], // FAILURE
  [0x12d, { reason: "its firmware is being upgraded" }], // UPGRADE
  [0x130, { reason: "it must be reset: restart the machine" }], // REBOOT
  [0x143, { reason: "it lacks a command that is needed" }], // COMMAND_CODE
  [0x149, unreadableCertificate], // NV_AUTHORIZATION
  [0x902, full("its memory for objects is full")], // OBJECT_MEMORY
  [0x903, full("its memory for sessions is full")], // SESSION_MEMORY
  [0x904, full("its memory is full")], // MEMORY
  [0x905, full("it has no free handle for a session")], // SESSION_HANDLES
  [0x906, full("it has no free handle for an object")], // OBJECT_HANDLES
  [0x908, busy("it was interrupted")], // YIELDED
  [0x909, busy("another program cancelled its work")], // CANCELED
  [0x90a, busy("it is testing itself")], // TESTING
  [0x920, busy("its memory is written too often")], // NV_RATE
  [0x921, { reason: "it is locked after too many wrong passwords", code: "key_store_locked" }], // LOCKOUT
  [0x922, busy("it is busy")], // RETRY
  [0x923, busy("its memory cannot be written now")], // NV_UNAVAILABLE
]);

/** What a command's errors are about, when that is not what the table above takes for granted. */
export type Concern = keyof typeof special;

const special = {
  endorsement: new Map([
    [0x085, endorsementOff],
    [0x08e, endorsementPassword],
    [0x0a2, endorsementPassword],
  ]),
  challenge: new Map([
    [0x09f, notThisChallenge],
    [0x0a7, notThisChallenge],
  ]),
} as const satisfies Readonly<Record<string, ReadonlyMap<number, Meaning>>>;

/** What is loaded and what is answered is all that we do not make ourselves. */
const unfitInput: Readonly<Record<string, Meaning>> = {
  TPM2_Load: unfitBlob,
  TPM2_ActivateCredential: notThisChallenge,
};

const formatOne = 0x080;

function meaningOf({ name, concern }: Refused, responseCode: number): Meaning {
  const isFormatOne = responseCode < 0x1000 && (responseCode & formatOne) !== 0;
  const number = isFormatOne ? responseCode & 0x0bf : responseCode;
  const known = (concern && special[concern].get(number)) ?? meanings.get(number);
  if (known !== undefined) return known;
  const unfit = unfitInput[name];
  if (isFormatOne && unfit !== undefined) return unfit;
  return { reason: `it refuses with 0x${responseCode.toString(16).padStart(3, "0")}` };
}

type Refused = Pick<Command<unknown>, "name" | "concern">;

/** A command was answered with a response code other than success. */
export class TpmRefusal extends TpmTrouble {
  readonly remedy: Meaning["remedy"];

  constructor(command: Refused, responseCode: number) {
    const { code = "key_store_unavailable", reason, fix, remedy } = meaningOf(command, responseCode);
    super(code, `${reason} (${command.name})`, fix === undefined ? {} : { fix });
    this.remedy = remedy;
  }
}
