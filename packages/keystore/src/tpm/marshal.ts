import { concatBytes } from "@authmesh/core";

/** The encodings of the TPM 2.0 Library, part 2: big-endian integers, and byte strings behind a length of 16 bits. */

export const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value);

export const u32 = (value: number): Uint8Array =>
  Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);

/** TPM2B: a length, then as many bytes. */
export function sized(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = concatBytes(...parts);
  return concatBytes(u16(bytes.length), bytes);
}

/** Bytes do not have the form they should. Whoever reads them says what that means. */
export class Malformed extends Error {}

/** Reads bytes from the front, and insists that all are there and none is left. */
export class Unmarshaller {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  u8(): number {
    return this.take(1)[0] as number;
  }

  u16(): number {
    const [high, low] = this.take(2) as unknown as [number, number];
    return (high << 8) | low;
  }

  u32(): number {
    const high = this.u16();
    return high * 0x10000 + this.u16();
  }

  sized(max: number): Uint8Array {
    const length = this.u16();
    if (length > max) throw new Malformed(`${length} bytes where at most ${max} fit`);
    return this.take(length);
  }

  take(length: number): Uint8Array {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw new Malformed("it ends too early");
    const bytes = this.#bytes.slice(this.#offset, end);
    this.#offset = end;
    return bytes;
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length - this.#offset);
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw new Malformed("something follows its end");
  }
}
