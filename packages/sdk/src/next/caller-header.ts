import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { fromBase64Url, toBase64Url, utf8 } from "@authmesh/core";
import type { AuthMeshIdentity } from "../verify-options.js";

const name = "authmesh-caller";
/** How long after its verification a request may still be asked who sent it, in seconds. */
const lifetime = 60;
const longestHeader = 4096;
/** The proxy and the routes are bundled apart and run in one process: this is all that they share. */
const sharedKey = Symbol.for("@authmesh/sdk/next/caller-key");

/** `headers` with who called written into them, whatever they said of it before. */
export function withCaller(headers: Headers, authMesh: AuthMeshIdentity): Headers {
  const text = toBase64Url(utf8(JSON.stringify(authMesh)));
  const changed = new Headers(headers);
  changed.set(name, `${text}.${toBase64Url(seal(text))}`);
  return changed;
}

/**
 * Who called, if the proxy of this very process wrote it and no more than a minute ago.
 *
 * @param now milliseconds since the epoch
 */
export function readCaller(headers: Pick<Headers, "get">, now: number): AuthMeshIdentity | undefined {
  const value = headers.get(name) ?? "";
  const [text = "", tag = "", ...more] = value.length > longestHeader ? [] : value.split(".");
  const given = fromBase64Url(tag);
  const right = seal(text);
  if (more.length > 0 || given?.length !== right.length || !timingSafeEqual(given, right)) return undefined;
  const caller = JSON.parse(Buffer.from(text, "base64url").toString()) as AuthMeshIdentity;
  return Math.abs(now / 1000 - caller.verifiedAt) <= lifetime ? caller : undefined;
}

function seal(text: string): Uint8Array {
  const shared = globalThis as { [sharedKey]?: Buffer };
  shared[sharedKey] ??= randomBytes(32);
  return createHmac("sha256", shared[sharedKey]).update(`amesh/caller/1\n${text}`).digest();
}
