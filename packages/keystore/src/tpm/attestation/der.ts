import { Malformed, Unmarshaller } from "../marshal.js";

/** DER (ITU-T X.690): one element, its parts not yet read. */
export interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  sequence: 0x30,
  set: 0x31,
  extensions: 0xa3,
  directoryName: 0xa4,
} as const;

/** The elements of which these bytes consist, one after another. @throws Malformed unless all is strict DER */
export function elementsOf(bytes: Uint8Array): Element[] {
  const elements: Element[] = [];
  for (let rest = bytes; rest.length > 0; ) {
    const [element, length] = readElement(rest);
    elements.push(element);
    rest = rest.subarray(length);
  }
  return elements;
}

/** The bytes up to the end of the element with which they begin. @throws Malformed */
export const firstElement = (bytes: Uint8Array): Uint8Array => bytes.subarray(0, readElement(bytes)[1]);

/** The parts of an element. @throws Malformed unless it has this tag */
export function partsOf(element: Element | undefined, tag: number): Element[] {
  if (element?.tag !== tag) throw new Malformed("it is not built as it should be");
  return elementsOf(element.content);
}

function readElement(bytes: Uint8Array): [element: Element, length: number] {
  const reader = new Unmarshaller(bytes);
  const tag = reader.u8();
  if ((tag & 0x1f) === 0x1f) throw new Malformed("it has a tag of several bytes");
  const content = reader.take(readLength(reader));
  return [{ tag, content }, bytes.length - reader.rest().length];
}

/** The shortest form alone, and no more than 65,535. */
function readLength(reader: Unmarshaller): number {
  const first = reader.u8();
  if (first < 0x80) return first;
  const length = first === 0x81 ? reader.u8() : first === 0x82 ? reader.u16() : 0;
  if (length < (first === 0x82 ? 0x100 : 0x80)) throw new Malformed("it has a length that is not in DER");
  return length;
}
