import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";

/**
 * The certificates of the makers of TPMs: the texts of a PEM file, or of all files of a folder that end in .pem, .crt or .cer.
 *
 * @throws AmeshError `invalid_option` for what cannot be read or holds no certificate
 */
export function readAttestationRoots(path: string): readonly string[] {
  const files = readFiles(path);
  if (files.length === 0)
    throw new AmeshError("invalid_option", `${path} holds no certificates: no *.pem, *.crt or *.cer.`);
  const other = files.find(({ text }) => !text.includes("-----BEGIN CERTIFICATE-----"));
  if (other !== undefined)
    throw new AmeshError("invalid_option", `${other.file} holds no certificate in PEM.`);
  return files.map(({ text }) => text);
}

function readFiles(path: string): readonly { readonly file: string; readonly text: string }[] {
  try {
    return filesOf(path).map((file) => ({ file, text: readFileSync(file, "utf8") }));
  } catch (cause) {
    throw new AmeshError("invalid_option", `The certificates in ${path} cannot be read.`, { cause });
  }
}

function filesOf(path: string): readonly string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => /\.(?:pem|crt|cer)$/.test(name));
  return names.sort().map((name) => join(path, name));
}
