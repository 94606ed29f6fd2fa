/** Values that JSON can hold. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

export type JsonObject = { readonly [name: string]: JsonValue };

/** An object and no array. */
export const isJsonObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * Canonical JSON (RFC 8785): members sorted by UTF-16 code units, no white space, numbers and strings as
 * ECMAScript writes them. A member that is undefined is left out.
 *
 * @throws TypeError for what JSON cannot hold: other undefined values, non-finite numbers, lone surrogates
 */
export function canonicalJson(value: JsonValue): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const object = value as JsonObject;
    let members = "";
    for (const name of Object.keys(object).sort()) {
      const member = object[name];
      if (member === undefined) continue;
      members += `${members === "" ? "" : ","}${scalar(name)}:${canonicalJson(member)}`;
    }
    return `{${members}}`;
  }
  return scalar(value as null | boolean | number | string);
}

function scalar(value: null | boolean | number | string): string {
  if (typeof value === "number" && !Number.isFinite(value)) throw new TypeError("JSON has no such number.");
  if (typeof value === "string" && !value.isWellFormed()) throw new TypeError("A lone surrogate is no text.");
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`JSON cannot hold a ${typeof value}.`);
  return text;
}
