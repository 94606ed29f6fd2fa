import { AmeshError, fromBase64 } from "@authmesh/core";
import { Malformed } from "../marshal.js";
import { type Certificate, readCertificate } from "./certificate.js";

const block = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]*)-----END CERTIFICATE-----/g;

/**
 * All the certificates of several PEM texts (RFC 7468); what stands around them is skipped.
 *
 * @param option whose value this is, for errors
 * @throws AmeshError `invalid_option` for a text that has none, or one that cannot be read
 */
export function readPemCertificates(texts: readonly string[], option: string): Certificate[] {
  return texts.flatMap((text, index) => {
    const place = `${option}[${index}]`;
    const blocks = [...text.matchAll(block)];
    if (blocks.length === 0) throw new AmeshError("invalid_option", `${place} holds no certificate in PEM.`);
    return blocks.map(([, body = ""], position) => readOne(body, `Certificate ${position + 1} of ${place}`));
  });
}

function readOne(body: string, place: string): Certificate {
  try {
    const der = fromBase64(body.replace(/\s+/g, ""));
    if (der === undefined) throw new Malformed("it is not base64");
    return readCertificate(der);
  } catch (error) {
    if (error instanceof Malformed)
      throw new AmeshError("invalid_option", `${place} cannot be read: ${error.message}.`);
    throw error;
  }
}
