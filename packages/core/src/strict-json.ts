import type { JsonValue } from "./canonical-json.js";
import { decodeUtf8 } from "./encoding.js";

export interface JsonLimits {
  /** Bytes, or UTF-16 code units of a text. Default 1 MiB. */
  readonly maxLength?: number;
  /** Arrays and objects inside each other. Default 16. */
  readonly maxDepth?: number;
  /** Refuse numbers with a fraction or an exponent, minus zero, and integers that a double cannot tell apart. Default false. */
  readonly integers?: boolean;
}

/** The value, or why there is none: a plain half-sentence, to which the caller adds an error code of its own. */
export type StrictJson =
  | { readonly value: JsonValue; readonly problem?: undefined }
  | { readonly value?: undefined; readonly problem: string };

/**
 * Reads JSON (RFC 8259) that means the same to every reader. Refused, beside what is not JSON: members named
 * twice, lone surrogates, numbers beyond the range of a double, a byte order mark, bytes that are not UTF-8, and
 * whatever exceeds the limits. Never throws. A member `__proto__` is plain data.
 */
export function parseStrictJson(input: string | Uint8Array, limits: JsonLimits = {}): StrictJson {
  const { maxLength = 1 << 20, maxDepth = 16, integers = false } = limits;
  if (input.length > maxLength) return { problem: `it is longer than ${maxLength}` };
  const text = typeof input === "string" ? input : decodeUtf8(input);
  if (text === undefined) return { problem: "it is not UTF-8" };
  let value: JsonValue;
  try {
    value = JSON.parse(text);
  } catch {
    return { problem: "it is not JSON" };
  }
  const problem = findAmbiguity(text, maxDepth, integers);
  return problem === undefined ? { value } : { problem };
}

/** Scans a text that is known to be JSON, so tokens need no checking. */
function findAmbiguity(text: string, maxDepth: number, integers: boolean): string | undefined {
  const openNames: (Set<string> | undefined)[] = []; // of each open object; an array has none
  for (let i = 0; i < text.length; i++) {
    const character = text[i] as string;
    if (character === "{" || character === "[") {
      openNames.push(character === "{" ? new Set() : undefined);
      if (openNames.length > maxDepth) return `it is nested deeper than ${maxDepth}`;
    } else if (character === "}" || character === "]") {
      openNames.pop();
    } else if (character === '"') {
      const end = endOfString(text, i);
      const string = readString(text, i, end);
      if (!string.isWellFormed()) return "it holds a lone surrogate";
      i = end - 1;
      if (!colonFollows(text, end)) continue;
      const names = openNames.at(-1) as Set<string>;
      if (names.has(string)) return "it names a member twice";
      names.add(string);
    } else if (character === "-" || (character >= "0" && character <= "9")) {
      const end = endOfNumber(text, i);
      const number = text.slice(i, end);
      if (!Number.isFinite(Number(number))) return "it holds a number out of range";
      if (integers && !isPlainInteger(number)) return "it holds a number that is not a plain integer";
      i = end - 1;
    }
  }
  return undefined;
}

const isPlainInteger = (number: string): boolean =>
  /^-?\d+$/.test(number) && number !== "-0" && Number.isSafeInteger(Number(number));

function endOfString(text: string, start: number): number {
  let quote = text.indexOf('"', start + 1);
  for (;;) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === "\\") backslashes++;
    if (backslashes % 2 === 0) return quote + 1;
    quote = text.indexOf('"', quote + 1);
  }
}

function readString(text: string, start: number, end: number): string {
  const raw = text.slice(start + 1, end - 1);
  return raw.includes("\\") ? JSON.parse(text.slice(start, end)) : raw;
}

function endOfNumber(text: string, start: number): number {
  let end = start + 1;
  while (end < text.length && "0123456789+-.eE".includes(text[end] as string)) end++;
  return end;
}

function colonFollows(text: string, start: number): boolean {
  let next = start;
  while (" \t\n\r".includes(text[next] ?? "x")) next++;
  return text[next] === ":";
}
