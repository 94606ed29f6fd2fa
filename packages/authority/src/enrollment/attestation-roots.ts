import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";

/**
 * The certificates of the makers of TPMs: the texts of a PEM file, or of all files of a folder that end in .pem, .crt or .cer.
 *
 * @throws AmeshError `invalid_option` for what cannot be read, and for a folder without any
 */
export function readAttestationRoots(path: string): readonly string[] {
  try {
    if (!statSync(path).isDirectory()) return [readFileSync(path, "utf8")];
    const names = readdirSync(path).filter((name) => /\.(?:pem|crt|cer)$/.test(name));
    if (names.length > 0) return names.sort().map((name) => readFileSync(join(path, name), "utf8"));
  } catch (cause) {
    throw new AmeshError("invalid_option", `The roots of TPMs in ${path} cannot be read.`, { cause });
  }
  throw new AmeshError("invalid_option", `The folder ${path} holds no certificates: *.pem, *.crt or *.cer.`);
}
