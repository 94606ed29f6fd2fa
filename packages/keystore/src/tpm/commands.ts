import { concatBytes } from "@authmesh/core";
import { Malformed, sized, type Unmarshaller, u16, u32 } from "./marshal.js";
import type { Command } from "./message.js";
import { leftPad, storageRootTemplate } from "./public-area.js";

/** The commands that are used (TPM 2.0 Library, part 3), each as data. */

/** An object as it is kept outside of the TPM: nobody but the TPM that made it can read `private`. */
export interface WrappedObject {
  readonly public: Uint8Array;
  readonly private: Uint8Array;
}

export const hierarchies = { owner: 0x40000001, endorsement: 0x4000000b } as const;
const nullHierarchy = 0x40000007;
const ecdsa = 0x0018;
const sha256 = 0x000b;
export const noScheme: Uint8Array = u16(0x0010);
const nullTicket = concatBytes(u16(0x8024), u32(nullHierarchy), sized());

/** TPM2B_PRIVATE and TPM2B_PUBLIC of anything made here fit. */
export const maxAreaLength = 1024;

/** Makes a primary key, which is not kept: the same one comes into being each time. */
export const createPrimary = (
  hierarchy: keyof typeof hierarchies,
  template: Uint8Array,
): Command<number> => ({
  name: "TPM2_CreatePrimary",
  code: 0x131,
  concern: hierarchy === "endorsement" ? "endorsement" : undefined,
  uses: [hierarchies[hierarchy]],
  parameters: creation(template, new Uint8Array()),
  makesObject: true,
  read(answer, handle) {
    answer.sized(maxAreaLength); // public area
    skipCreation(answer);
    answer.sized(maxAreaLength); // name
    return handle;
  },
});

export const createStorageRoot = (): Command<number> => createPrimary("owner", storageRootTemplate);

/** Makes an object under `parent`; `data` is what it seals, empty for a key. */
export const create = (parent: number, template: Uint8Array, data: Uint8Array): Command<WrappedObject> => ({
  name: "TPM2_Create",
  code: 0x153,
  uses: [parent],
  parameters: creation(template, data),
  read(answer) {
    const wrapped = { private: answer.sized(maxAreaLength), public: answer.sized(maxAreaLength) };
    skipCreation(answer);
    return wrapped;
  },
});

export const load = (parent: number, wrapped: WrappedObject): Command<number> => ({
  name: "TPM2_Load",
  code: 0x157,
  uses: [parent],
  parameters: concatBytes(sized(wrapped.private), sized(wrapped.public)),
  makesObject: true,
  read(answer, handle) {
    answer.sized(maxAreaLength); // name
    return handle;
  },
});

/** @returns raw r‖s; s may be high */
export const sign = (key: number, digest: Uint8Array): Command<Uint8Array> => ({
  name: "TPM2_Sign",
  code: 0x15d,
  uses: [key],
  parameters: concatBytes(sized(digest), noScheme, nullTicket),
  read: readSignature,
});

/** ECDSA with SHA-256, as raw r‖s. */
export function readSignature(answer: Unmarshaller): Uint8Array {
  if (answer.u16() !== ecdsa || answer.u16() !== sha256) throw new Malformed("it is of another algorithm");
  return concatBytes(leftPad(answer.sized(32)), leftPad(answer.sized(32)));
}

export const unseal = (item: number): Command<Uint8Array> => ({
  name: "TPM2_Unseal",
  code: 0x15e,
  uses: [item],
  parameters: new Uint8Array(),
  read: (answer) => answer.sized(128),
});

export const flush = (object: number): Command<void> => ({
  name: "TPM2_FlushContext",
  code: 0x165,
  parameters: u32(object),
  read: () => undefined,
});

/** Handles of one kind: what is loaded, or which places of the non-volatile memory are in use. */
export const handlesOf = (kind: keyof typeof firstHandles): Command<readonly number[]> => ({
  ...capability(1, firstHandles[kind]),
  read: (answer) => list(answer, 1, () => answer.u32()),
});

/** Fixed properties by number, from the manufacturer (0x105) to the firmware version (0x10c). */
export const fixedProperties = (): Command<ReadonlyMap<number, number>> => ({
  ...capability(6, 0x105, 8),
  read: (answer) => new Map(list(answer, 6, () => [answer.u32(), answer.u32()] as const)),
});

const firstHandles = { object: 0x80000000, session: 0x02000000, certificate: 0x01c00000 } as const;

const capability = (kind: number, first: number, count = 64) => ({
  name: "TPM2_GetCapability",
  code: 0x17a,
  parameters: concatBytes(u32(kind), u32(first), u32(count)),
});

function list<T>(answer: Unmarshaller, kind: number, item: () => T): T[] {
  answer.u8(); // whether there is more
  if (answer.u32() !== kind) throw new Malformed("it is of another kind");
  const count = answer.u32();
  if (count > 64) throw new Malformed(`a list of ${count}`);
  return Array.from({ length: count }, item);
}

const creation = (template: Uint8Array, data: Uint8Array) =>
  concatBytes(sized(sized(), sized(data)), sized(template), sized(), u32(0));

/** Creation data, its hash and its ticket prove to others when and where an object was made; nobody asks. */
function skipCreation(answer: Unmarshaller): void {
  answer.sized(maxAreaLength);
  answer.sized(64);
  answer.u16();
  answer.u32();
  answer.sized(64);
}
