import { AmeshError, decodeUtf8, parseStrictJson, quoteForeign } from "@authmesh/core";
import type { Call } from "../call.js";
import { readSource } from "../input-source.js";

/** The longest body that is sent, and the longest that is held in memory, in bytes. */
export const maxBodyBytes = 8 << 20;

/** A request as the command line describes it. */
export interface DescribedRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers: Headers;
  readonly body: Buffer | undefined;
  readonly timeoutSeconds: number;
}

/** @throws AmeshError `invalid_option`, `storage_failed` */
export async function readRequest(call: Call): Promise<DescribedRequest> {
  const method = (call.args[0] ?? "").toUpperCase();
  const url = readUrl(call.args[1] ?? "", method);
  const headers = readHeaders(call.list("header"));
  const timeoutSeconds = call.number("timeout", 3600) ?? 30;
  const body = await readData(call.text("data"));
  if (body !== undefined && (method === "GET" || method === "HEAD"))
    throw new AmeshError("invalid_option", `A ${method} request has no body.`);
  if (body !== undefined && !headers.has("content-type")) headers.set("Content-Type", contentTypeOf(body));
  return { url, method, headers, body, timeoutSeconds };
}

/** @throws AmeshError `invalid_option` */
export function readUrl(address: string, method: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new AmeshError("invalid_option", `${quoteForeign(address)} is not an http:// or https:// URL.`);
  // Not repeated in the error: it holds a password.
  if (url.username !== "" || url.password !== "")
    throw new AmeshError("invalid_option", "The URL names a user, but the proof is this machine's key.");
  try {
    new Request(url, { method });
    return url;
  } catch (cause) {
    throw new AmeshError("invalid_option", (cause as TypeError).message, { cause });
  }
}

function readHeaders(lines: readonly string[]): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:]*):(.*)$/s.exec(line) ?? [];
    if (/^authorization$/i.test(name))
      throw new AmeshError("invalid_option", "amesh sets the Authorization header: it is the proof.");
    try {
      headers.append(name, value.trim());
    } catch (cause) {
      throw new AmeshError("invalid_option", `${quoteForeign(line)} is not a header 'Name: value'.`, {
        cause,
      });
    }
  }
  return headers;
}

async function readData(data: string | undefined): Promise<Buffer | undefined> {
  if (data === "-") return readSource("-", maxBodyBytes);
  if (data?.startsWith("@")) return readSource(data.slice(1), maxBodyBytes);
  return data === undefined ? undefined : Buffer.from(data);
}

function contentTypeOf(body: Buffer): string {
  if (parseStrictJson(body, { maxLength: maxBodyBytes }).problem === undefined) return "application/json";
  return decodeUtf8(body) === undefined ? "application/octet-stream" : "text/plain;charset=UTF-8";
}
