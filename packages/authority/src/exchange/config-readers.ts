import { isJsonObject, type JsonObject } from "@authmesh/core";
import { Misfit, type Reader, text } from "@authmesh/core/records";

/** Members that providers and rules both have. */

export const name = text(/^[a-z][a-z0-9-]{0,63}$/, "a name of lower-case letters, digits and hyphens");

/** Members whose names the provider decides. */
export const claimsByName: Reader<JsonObject> = (value, at) => {
  if (isJsonObject(value)) return value;
  throw new Misfit(`${at} is not an object`);
};
