import { isAbsolute } from "node:path";
import { type PublicKey, toBase64Url } from "@authmesh/core";
import { Misfit, oneOf, type Reader, readDocument, record, text } from "@authmesh/core/records";
import { base64UrlBytes, publicKey } from "../internal/members.js";
import type { TokenName } from "../pkcs11/token.js";
import { namedPublicKey } from "../sealed-key.js";

/** Where a key is on which token (docs/protocol.md, section 11). */
export interface Pkcs11File {
  readonly publicKey: PublicKey;
  /** The path of the module. */
  readonly module: string;
  readonly token: TokenName;
  /** 16 bytes that name the objects on the token. */
  readonly id: Buffer;
}

const kind = { name: "file of the token's key", damaged: "key_store_damaged" } as const;

const modulePath: Reader<string> = (value, at) => {
  if (typeof value === "string" && value.length <= 4096 && !value.includes("\0") && isAbsolute(value))
    return value;
  throw new Misfit(`${at} is not an absolute path`);
};

const shape = record({
  version: oneOf(1),
  publicKey,
  module: modulePath,
  token: record({
    label: text(/^\P{Cc}{0,32}$/u, "the label of a token"),
    serial: text(/^\P{Cc}{0,16}$/u, "the serial number of a token"),
  }),
  id: base64UrlBytes(16, 16),
});

/** @throws AmeshError `key_store_damaged` */
export function parsePkcs11File(bytes: Uint8Array): Pkcs11File {
  const { version: _, ...file } = readDocument(bytes, shape, kind.damaged, `The ${kind.name}`);
  return { ...file, publicKey: namedPublicKey(file, kind), id: Buffer.from(file.id) };
}

export function writePkcs11File({ publicKey, module, token, id }: Pkcs11File): string {
  const { label, serial } = token;
  const key = {
    version: 1,
    publicKey: publicKey.base64,
    module,
    token: { label, serial },
    id: toBase64Url(id),
  };
  return `${JSON.stringify(key, null, 2)}\n`;
}
