import { createHash } from "node:crypto";
import { concatBytes } from "@authmesh/core";
import { hierarchies } from "../commands.js";
import { firmwareVersion } from "../description.js";
import { Malformed, Unmarshaller, u32 } from "../marshal.js";

/** What TPM2_Certify says of a key. */
export interface Statement {
  /** Qualified name of the key that signed. */
  readonly signer: Uint8Array;
  readonly nonce: Uint8Array;
  /** Name of the key that is certified. */
  readonly name: Uint8Array;
  readonly firmware: string;
}

const generatedByTpm = 0xff544347;
const certifies = 0x8017;
const maxNameLength = 66;

/** Reads a TPMS_ATTEST (TPM 2.0 Library, part 2, section 10.12.12). @throws Malformed unless it certifies a key */
export function readStatement(bytes: Uint8Array): Statement {
  const reader = new Unmarshaller(bytes);
  if (reader.u32() !== generatedByTpm) throw new Malformed("it does not begin as what a TPM says");
  if (reader.u16() !== certifies) throw new Malformed("it certifies no key");
  const signer = reader.sized(maxNameLength);
  const nonce = reader.sized(maxNameLength);
  reader.take(17); // clock, counts of resets and restarts, whether the clock is safe
  const firmware = firmwareVersion([reader.u32(), reader.u32()]);
  const name = reader.sized(maxNameLength);
  reader.sized(maxNameLength); // qualified name
  reader.end();
  return { signer, nonce, name, firmware };
}

/** The qualified name of a primary key of the endorsement hierarchy. */
export function qualifiedName(name: Uint8Array): Uint8Array {
  const hash = createHash("sha256").update(u32(hierarchies.endorsement)).update(name).digest();
  return concatBytes(name.subarray(0, 2), hash);
}
