import { isJsonObject, type JsonValue } from "./canonical-json.js";
import { AmeshError, type ErrorCode, quoteForeign } from "./errors.js";
import { asScopes, type Scopes } from "./scopes.js";
import { mostSimilar } from "./similar.js";
import { type JsonLimits, parseStrictJson } from "./strict-json.js";

/**
 * Files, messages and configurations are read through tables of readers: exactly the members of the table, each of
 * its kind, and nothing else. `at` names the place for the error.
 */
export type Reader<T> = ((value: JsonValue, at: string) => T) & { readonly optional?: boolean };

/** A value is not what its place asks for. `readDocument` and `withCode` give it a code. */
export class Misfit extends Error {
  /** What mends it; undefined where nothing is known that the code's own mend does not say. */
  readonly fix: string | undefined;

  constructor(problem: string, options?: ErrorOptions & { readonly fix?: string }) {
    super(problem, options);
    this.fix = options?.fix;
  }
}

type Shape = Readonly<Record<string, Reader<unknown>>>;
type OptionalNames<S extends Shape> = {
  [K in keyof S]: S[K] extends { readonly optional: true } ? K : never;
}[keyof S];
type Value<R> = R extends (value: JsonValue, at: string) => infer T ? T : never;
export type RecordOf<S extends Shape> = { [K in Exclude<keyof S, OptionalNames<S>>]: Value<S[K]> } & {
  [K in OptionalNames<S>]?: Value<S[K]>;
};

export const integer =
  (min: number, max: number): Reader<number> =>
  (value, at) => {
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max)
      return value as number;
    throw new Misfit(`${at} is not an integer from ${min} to ${max}`);
  };

/** Unix seconds. */
export const time: Reader<number> = integer(0, 253_402_300_799);

export const text =
  (pattern: RegExp, kind: string): Reader<string> =>
  (value, at) => {
    if (typeof value === "string" && pattern.test(value)) return value;
    throw new Misfit(`${at} is not ${kind}`);
  };

/** One line for people, in which nothing breaks the line or turns it around. */
export const oneLine = /^[^\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]{1,256}$/u;

/** Why something was done. */
export const reasonText: Reader<string> = text(oneLine, "a line of 1 to 256 characters");

/** How a device id is written. */
export const deviceIdForm = /^am_[A-Za-z0-9_-]{16}$/;

export const deviceId: Reader<string> = text(deviceIdForm, "a device id");

/** Grants by name; none at all, too. */
export const scopeMap: Reader<Scopes> = (value, at) => {
  const scopes = asScopes(value);
  if (scopes !== undefined) return scopes;
  throw new Misfit(`${at} is not a map of scopes`);
};

export const oneOf =
  <const T extends string | number | boolean>(...values: readonly T[]): Reader<T> =>
  (value, at) => {
    if ((values as readonly JsonValue[]).includes(value)) return value as T;
    throw new Misfit(`${at} is not ${values.join(" or ")}`);
  };

export const listOf =
  <T>(reader: Reader<T>, max: number): Reader<T[]> =>
  (value, at) => {
    if (!Array.isArray(value) || value.length > max)
      throw new Misfit(`${at} is not a list of at most ${max}`);
    return value.map((item, index) => reader(item, `${at}[${index}]`));
  };

export const optional = <T>(reader: Reader<T>): Reader<T> & { readonly optional: true } =>
  Object.assign((value: JsonValue, at: string) => reader(value, at), { optional: true } as const);

export const record =
  <S extends Shape>(shape: S): Reader<RecordOf<S>> =>
  (value, at) => {
    if (!isJsonObject(value)) throw new Misfit(`${at || "it"} is not an object`);
    if (Object.hasOwn(shape, "version")) refuseLaterVersion(value["version"]);
    const unknown = Object.keys(value).find((name) => !Object.hasOwn(shape, name));
    if (unknown !== undefined) throw unknownMember(unknown, Object.keys(shape), at);
    const read: Record<string, unknown> = {};
    for (const [name, reader] of Object.entries(shape)) {
      const place = at === "" ? name : `${at}.${name}`;
      if (Object.hasOwn(value, name)) read[name] = reader(value[name] as JsonValue, place);
      else if (reader.optional !== true) throw new Misfit(`${place} is missing`);
    }
    return read as RecordOf<S>;
  };

/** That an object has a member it should not have, and which one may have been meant. */
export function unknownMember(name: string, known: readonly string[], at: string): Misfit {
  const meant = mostSimilar(name, known);
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  return new Misfit(`${at || "it"} has an unknown member ${quoteForeign(name)}${hint}`);
}

/** Said before anything else: all the rest may be different in a later version, and nothing is damaged. */
function refuseLaterVersion(version: JsonValue | undefined): void {
  if (Number.isSafeInteger(version) && (version as number) > 1)
    throw new Misfit(`it is of version ${version}, which a later amesh reads`, {
      fix: "Install a later amesh.",
    });
}

/**
 * Reads a whole file or message.
 *
 * @param name what errors call it
 * @param fix what mends it where nothing better is known; default the code's own
 * @throws AmeshError `code`
 */
export function readDocument<T>(
  document: Uint8Array | string,
  reader: Reader<T>,
  code: ErrorCode,
  name: string,
  limits?: JsonLimits,
  fix?: string,
): T {
  const { value, problem } = parseStrictJson(document, limits);
  const read = () => {
    if (problem !== undefined) throw new Misfit(problem);
    return reader(value, "");
  };
  return withCode(read, code, name, fix);
}

export function withCode<T>(read: () => T, code: ErrorCode, name: string, otherwise?: string): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    const { message, fix = otherwise } = error;
    const end = message.endsWith("?") ? "" : ".";
    throw new AmeshError(code, `${name} cannot be read: ${message}${end}`, fix === undefined ? {} : { fix });
  }
}
