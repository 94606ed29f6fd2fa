import fc from "fast-check";
import { anyText } from "../../packages/core/test/any-text.js";
import type { Form, Target } from "./target.js";

/** Code units of an input. */
const longest = 1 << 15;

/** Changes one text into another; of what it is not made for it changes nothing. */
type Edit = (input: string) => string;

const extremeNumbers = [
  "0",
  "-0",
  "-1",
  "1",
  "127",
  "128",
  "255",
  "256",
  "32768",
  "65535",
  "65536",
  "2147483647",
  "2147483648",
  "4294967295",
  "4294967296",
  "9007199254740991",
  "9007199254740992",
  "253402300800",
  "1e308",
  "1e400",
  "0.1",
  "1e-7",
  "00",
]; // prettier-ignore
const oddTexts = [
  "",
  " ",
  "\0",
  "\n",
  "\r\n",
  "\t",
  "\x7f",
  "\x80",
  "\xff",
  "\u00a0",
  "\u2028",
  "\ufeff",
  "\ufffd",
  "\u0130",
  "\u212a",
  "\uff0f",
  "\ud800",
  "\udc00",
  "e\u0301",
  "\u202e",
  "😀",
  "%00",
  "%2f",
  "%",
  "..",
  "__proto__",
  "constructor",
  "toString",
]; // prettier-ignore

const place = fc.nat({ max: 0xffff });
const at = (input: string, where: number) => where % (input.length + 1);

const flip: fc.Arbitrary<Edit> = fc.tuple(place, fc.nat({ max: 7 })).map(([where, bit]) => (input) => {
  const i = at(input, where);
  const unit = input.charCodeAt(i);
  return Number.isNaN(unit)
    ? input
    : input.slice(0, i) + String.fromCharCode(unit ^ (1 << bit)) + input.slice(i + 1);
});
const cut: fc.Arbitrary<Edit> = fc
  .tuple(place, fc.oneof(fc.nat({ max: 4 }), fc.constant(Number.POSITIVE_INFINITY)))
  .map(([where, length]) => (input) => {
    const i = at(input, where);
    return input.slice(0, i) + input.slice(i + length);
  });
const repeat: fc.Arbitrary<Edit> = fc
  .tuple(place, fc.integer({ min: 1, max: 64 }), fc.constantFrom(1, 2, 17, 300))
  .map(([where, length, times]) => (input) => {
    const i = at(input, where);
    return input.slice(0, i) + input.slice(i, i + length).repeat(times) + input.slice(i);
  });
const insertOf = (pieces: fc.Arbitrary<string>): fc.Arbitrary<Edit> =>
  fc.tuple(place, pieces).map(([where, piece]) => (input) => {
    const i = at(input, where);
    return input.slice(0, i) + piece + input.slice(i);
  });
const spliceOf = (others: fc.Arbitrary<string>): fc.Arbitrary<Edit> =>
  fc.tuple(place, others, place).map(
    ([where, other, from]) =>
      (input) =>
        input.slice(0, at(input, where)) + other.slice(at(other, from)),
  );
const number: fc.Arbitrary<Edit> = fc
  .tuple(place, fc.constantFrom(...extremeNumbers))
  .map(([which, extreme]) => (input) => {
    const numbers = [...input.matchAll(/\d+/g)];
    const found = numbers[which % Math.max(1, numbers.length)];
    return found === undefined
      ? input
      : input.slice(0, found.index) + extreme + input.slice(found.index + found[0].length);
  });

const oddValues: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(null, true, {}, [], "", 0, -1, 0.5, 2 ** 31, 2 ** 53, 253_402_300_800, [[[]]]),
  fc.constantFrom(...oddTexts),
  fc.jsonValue({ maxDepth: 2 }),
);
const jsonEdit: fc.Arbitrary<(input: string) => string> = fc
  .tuple(fc.constantFrom("put", "drop", "add", "twice"), place, oddValues)
  .map(([kind, which, odd]) => (input) => {
    const [root, value] = [parsed(input), structuredClone(odd)];
    const all = placesIn(root);
    const found = all[which % Math.max(1, all.length)];
    if (found === undefined) return kind === "put" ? JSON.stringify(value) : input;
    const [holder, key] = found;
    if (kind === "put") holder[key] = value;
    else if (kind === "drop") delete holder[key];
    else if (kind === "add" && Array.isArray(holder)) holder.push(value);
    else if (kind === "add") holder[String(value)] = value;
    else return twice(JSON.stringify(root), key);
    return JSON.stringify(root);
  });

function parsed(input: string): unknown {
  try {
    return JSON.parse(input);
  } catch {
    return undefined;
  }
}

type Holder = Record<string, unknown>;

function placesIn(value: unknown): (readonly [Holder, string])[] {
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, member]) => [[value as Holder, key], ...placesIn(member)]);
}

/** A member that is named twice. */
const twice = (document: string, name: string) =>
  document.replace(`${JSON.stringify(name)}:`, (member) => `${member}0,${member}`);

const jwsEdit: fc.Arbitrary<Edit> = fc.tuple(fc.nat({ max: 1 }), jsonEdit).map(([which, edit]) => (input) => {
  const parts = input.split(".");
  const part = parts[which];
  if (part !== undefined)
    parts[which] = Buffer.from(edit(Buffer.from(part, "base64url").toString())).toString("base64url");
  return parts.join(".");
});

/** What a form has of its own. Bytes know no Unicode. */
const editsOf: Readonly<Record<Form, readonly fc.Arbitrary<Edit>[]>> = {
  text: [number],
  json: [jsonEdit, jsonEdit, number],
  jws: [jwsEdit, jwsEdit],
  bytes: [],
};

/** Good inputs with a few things changed, sentences of the parser's own words, and anything at all. */
export function inputsOf({ form, words }: Target, corpus: readonly string[]): fc.Arbitrary<string> {
  const isBytes = form === "bytes";
  const any = isBytes
    ? fc.string({ unit: fc.nat({ max: 0xff }).map((unit) => String.fromCharCode(unit)), maxLength: 80 })
    : anyText(60);
  const odd = isBytes ? ["\0", "\xff", "\x7f", "\x80", "\0\0", "\xff\xff", "\xff\xff\xff\xff"] : oddTexts;
  const pieces = fc.oneof(fc.constantFrom(...odd, ...words), any);
  const good = fc.constantFrom(...corpus);
  const edit = fc.oneof(
    flip,
    cut,
    repeat,
    insertOf(pieces),
    spliceOf(good),
    ...editsOf[form],
    ...editsOf[form],
  );
  const changed = fc
    .tuple(good, fc.array(edit, { maxLength: 4 }))
    .map(([input, edits]) => edits.reduce((changing, each) => each(changing).slice(0, longest), input));
  const sentence = fc
    .array(fc.constantFrom("", ...words, ...odd), { maxLength: 25 })
    .map((said) => said.join(""));
  return fc.oneof({ weight: 6, arbitrary: changed }, { weight: 2, arbitrary: sentence }, any);
}
