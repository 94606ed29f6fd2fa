import { createPrivateKey } from "node:crypto";
import { AmeshError, fromBase64Url, PrivateKey, quoteForeign } from "@authmesh/core";
import { readBoundedFile } from "@authmesh/oath/node";

let own: PrivateKey | undefined;

/**
 * The key that signs context tokens: that of a file, else one that lives as long as the process, whatever becomes of the configuration.
 *
 * @param file PKCS#8 PEM of a P-256 key
 * @throws AmeshError `gateway_config_invalid`, `storage_failed`
 */
export async function contextKey(file: string | undefined): Promise<PrivateKey> {
  if (file === undefined) {
    own ??= PrivateKey.generate();
    return own;
  }
  const { content } = await readBoundedFile(file, pemFile);
  try {
    return readKey(file, content);
  } finally {
    content.fill(0);
  }
}

const pemFile = {
  name: "The key of context tokens",
  code: "gateway_config_invalid",
  maxBytes: 16_384,
} as const;

function readKey(file: string, pem: Uint8Array): PrivateKey {
  const scalar = scalarOf(pem);
  if (scalar === undefined)
    throw new AmeshError(
      "gateway_config_invalid",
      `${quoteForeign(file, 256)} holds no private key of P-256 in PEM.`,
      { fix: "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out FILE" },
    );
  try {
    return PrivateKey.fromBytes(scalar);
  } finally {
    scalar.fill(0);
  }
}

function scalarOf(pem: Uint8Array): Uint8Array | undefined {
  try {
    const { crv, d } = createPrivateKey({ key: Buffer.from(pem), format: "pem" }).export({ format: "jwk" });
    return crv === "P-256" && d !== undefined ? fromBase64Url(d) : undefined;
  } catch {
    return undefined;
  }
}
