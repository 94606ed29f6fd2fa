import { concatBytes } from "@authmesh/core";
import { hierarchies, maxAreaLength, noScheme, readSignature } from "../commands.js";
import { Malformed, sized, u16, u32 } from "../marshal.js";
import type { Command, Use } from "../message.js";

/** The commands by which a TPM proves a key (TPM 2.0 Library, part 3), each as data. */

const nullHandle = 0x40000007;
const written = 0x20000000;
const algorithms = { sha256: 0x000b, sha384: 0x000c } as const;

export const readPublic = (object: number): Command<Uint8Array> => ({
  name: "TPM2_ReadPublic",
  code: 0x173,
  names: [object],
  parameters: new Uint8Array(),
  read(answer) {
    const area = answer.sized(maxAreaLength);
    answer.sized(maxAreaLength); // name
    answer.sized(maxAreaLength); // qualified name
    return area;
  },
});

/** What a TPM says about a key (TPMS_ATTEST), and the raw r‖s of the attestation key over it. */
export interface SignedStatement {
  readonly statement: Uint8Array;
  readonly signature: Uint8Array;
}

/** @param nonce at most 32 bytes, which come back in the statement */
export const certify = (
  object: number,
  attestationKey: number,
  nonce: Uint8Array,
): Command<SignedStatement> => ({
  name: "TPM2_Certify",
  code: 0x148,
  uses: [object, attestationKey],
  parameters: concatBytes(sized(nonce), noScheme),
  read: (answer) => ({ statement: answer.sized(maxAreaLength), signature: readSignature(answer) }),
});

/** A secret, encrypted to an endorsement key, that it gives out only beside the key that is named in it. */
export interface Credential {
  /** TPMS_ID_OBJECT. */
  readonly blob: Uint8Array;
  /** The content of a TPM2B_ENCRYPTED_SECRET. */
  readonly seed: Uint8Array;
}

export const activateCredential = (
  attestationKey: number,
  endorsementKey: Use,
  { blob, seed }: Credential,
): Command<Uint8Array> => ({
  name: "TPM2_ActivateCredential",
  code: 0x147,
  concern: "challenge",
  uses: [attestationKey, endorsementKey],
  parameters: concatBytes(sized(blob), sized(seed)),
  read: (answer) => answer.sized(64),
});

/** A session that collects what a policy asks for; it has no key of its own and encrypts nothing. */
export const startPolicySession = (hash: keyof typeof algorithms, nonce: Uint8Array): Command<number> => ({
  name: "TPM2_StartAuthSession",
  code: 0x176,
  names: [nullHandle, nullHandle],
  parameters: concatBytes(sized(nonce), sized(), Uint8Array.of(1), noScheme, u16(algorithms[hash])),
  makesObject: true,
  read(answer, handle) {
    answer.sized(64); // nonce
    return handle;
  },
});

/** Shows a session that the caller knows the password of the endorsement hierarchy, which is empty. */
export const policyEndorsement = (session: number): Command<void> => ({
  name: "TPM2_PolicySecret",
  code: 0x151,
  concern: "endorsement",
  uses: [hierarchies.endorsement],
  names: [session],
  parameters: concatBytes(sized(), sized(), sized(), u32(0)),
  read(answer) {
    answer.sized(64); // timeout
    answer.u16();
    answer.u32();
    answer.sized(64); // ticket
  },
});

/** How many bytes are at a place of the non-volatile memory; 0 when it was never written. */
export const nvSize = (index: number): Command<number> => ({
  name: "TPM2_NV_ReadPublic",
  code: 0x169,
  names: [index],
  parameters: new Uint8Array(),
  read(answer) {
    answer.u16();
    answer.u32(); // the index
    answer.u16();
    const attributes = answer.u32();
    answer.sized(64); // policy
    const size = answer.u16();
    answer.sized(maxAreaLength); // name
    return (attributes & written) === 0 ? 0 : size;
  },
});

export const nvRead = (index: number, offset: number, size: number): Command<Uint8Array> => ({
  name: "TPM2_NV_Read",
  code: 0x14e,
  uses: [index],
  names: [index],
  parameters: concatBytes(u16(size), u16(offset)),
  read(answer) {
    const bytes = answer.sized(size);
    if (bytes.length !== size) throw new Malformed("it gives less than was asked for");
    return bytes;
  },
});
