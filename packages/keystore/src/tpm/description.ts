import { fixedProperties } from "./commands.js";
import { u32 } from "./marshal.js";
import type { Tpm } from "./tpm.js";

const property = {
  manufacturer: 0x105,
  vendor: [0x106, 0x107, 0x108, 0x109],
  firmware: [0x10b, 0x10c],
} as const;

/** Manufacturer, model and firmware as the TPM tells them: "IBM (SW TPM), firmware 8217.4131.22.13878". */
export async function describeTpm(tpm: Tpm): Promise<string> {
  const properties = await tpm.execute(fixedProperties());
  const value = (number: number) => properties.get(number) ?? 0;
  const manufacturer = letters([value(property.manufacturer)]);
  const vendor = letters(property.vendor.map(value));
  const firmware = firmwareVersion(property.firmware.map(value));
  return `${manufacturer}${vendor === "" ? "" : ` (${vendor})`}, firmware ${firmware}`;
}

/** The two numbers of a firmware version as people write them: "8217.4131.22.13878". */
export const firmwareVersion = (numbers: readonly number[]): string =>
  numbers.flatMap((number) => [number >>> 16, number & 0xffff]).join(".");

/** Four letters a number; what is not printable ASCII counts as a space. */
function letters(values: readonly number[]): string {
  const text = values.map((value) => String.fromCharCode(...u32(value))).join("");
  return text.replace(/[^\x21-\x7e]+/g, " ").trim();
}
