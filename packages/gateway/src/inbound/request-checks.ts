import { type Failure, failure, normalizeHost, quoteForeign } from "@authmesh/core";
import { isPlainPath } from "@authmesh/oath";
import { hostName } from "./routes.js";

/** What stands before the body of a request. */
export interface RequestHead {
  readonly method: string;
  /** As received. */
  readonly target: string;
  /** "1.0", "1.1", or "2" for what was not read as HTTP/1. */
  readonly httpVersion: string;
  /** Names and values in turn, as received; of HTTP/2 without pseudo-headers, and `:authority` as Host. */
  readonly rawHeaders: readonly string[];
}

/**
 * Says why a request could be read in two ways, or nothing when it cannot (docs/protocol.md, section 14.1): the failure
 * is `ambiguous_request`, and its detail what was found.
 */
export function ambiguityOf(head: RequestHead): Failure | undefined {
  const fields = fieldsThatMatter(head.rawHeaders);
  for (const finds of checks) {
    const found = finds(head, fields);
    if (found !== undefined) return failure("ambiguous_request", found);
  }
  return undefined;
}

/** The path of a target, without its query. */
export function pathOf(target: string): string {
  const mark = target.indexOf("?");
  return mark < 0 ? target : target.slice(0, mark);
}

/** Names that the checks look at, in lower case; the others are not looked at twice. */
const looked = ["connection", "content-length", "host", "transfer-encoding", "upgrade"] as const;
type Fields = Readonly<Record<(typeof looked)[number], readonly string[]>>;
type Check = (head: RequestHead, fields: Fields) => string | undefined;

const methodForm = /^[A-Z]{1,32}(?:-[A-Z]{1,32})?$/;
const echoing: ReadonlySet<string> = new Set(["TRACE", "TRACK", "CONNECT"]);
const mayBeNamed: ReadonlySet<string> = new Set(["close", "keep-alive", "upgrade", "te", "http2-settings"]);

const versions: ReadonlySet<string> = new Set(["1.0", "1.1", "2"]);

const checks: readonly Check[] = [
  function versionIsKnown({ httpVersion }) {
    // The parser takes HTTP/0.9 and HTTP/2.0 for versions of what it reads.
    return versions.has(httpVersion)
      ? undefined
      : `There is no HTTP/${httpVersion} that is written like this.`;
  },
  function methodIsPlain({ method }) {
    if (echoing.has(method)) return `The method ${method} is not passed on.`;
    return methodForm.test(method) ? undefined : `The method ${quoteForeign(method)} is not in capitals.`;
  },
  function targetIsInOriginForm({ target }) {
    if (!target.startsWith("/")) return "The target does not start with a slash.";
    return /^[!-~]+$/.test(target) && !target.includes("#")
      ? undefined
      : "The target holds a `#`, a control character, or a byte beyond ASCII.";
  },
  function pathIsPlain({ target }) {
    const path = pathOf(target);
    return isPlainPath(path) && isPlainPath(compatible(path))
      ? undefined
      : "The path has dot segments, empty ones, `;`, or escapes that could be read in two ways.";
  },
  function oneHostIsNamed({ httpVersion }, { host }) {
    if (host.length > 1) return "There is more than one Host.";
    const [name] = host;
    if (name === undefined) return httpVersion === "1.0" ? undefined : "There is no Host.";
    const normal = normalizeHost(name);
    if (normal === undefined || !/^[!-~]+$/.test(name))
      return `The Host ${quoteForeign(name)} is not a host with an optional port.`;
    // Routes compare what is written, and audiences what is meant.
    return hostName(name) === hostName(normal)
      ? undefined
      : `The Host ${quoteForeign(name)} is another way to write ${quoteForeign(normal)}.`;
  },
  function lengthIsSaidOnce(_, { "content-length": lengths, "transfer-encoding": codings }) {
    if (lengths.length > 1) return "There is more than one Content-Length.";
    if (lengths.length > 0 && codings.length > 0)
      return "There is a Content-Length beside Transfer-Encoding.";
    return lengths.every((length) => /^\d{1,15}$/.test(length))
      ? undefined
      : "The Content-Length is not a number.";
  },
  function codingIsKnown({ httpVersion }, { "transfer-encoding": codings }) {
    if (codings.length === 0) return undefined;
    if (httpVersion !== "1.1") return `There is a Transfer-Encoding in HTTP/${httpVersion}.`;
    return codings.length === 1 && codings[0]?.toLowerCase() === "chunked"
      ? undefined
      : "The Transfer-Encoding is not `chunked` alone.";
  },
  function upgradeHasNoBody(_, { upgrade, "content-length": lengths, "transfer-encoding": codings }) {
    const asked = upgrade.some((protocol) => protocol.toLowerCase() === "websocket");
    return asked && (codings.length > 0 || lengths.some((length) => Number(length) > 0))
      ? "An upgrade to WebSocket has a body."
      : undefined;
  },
  function connectionNamesNothingElse(_, { connection }) {
    const named = connection.flatMap((value) => value.split(",")).map((name) => name.trim().toLowerCase());
    const other = named.find((name) => name !== "" && !mayBeNamed.has(name));
    return other === undefined ? undefined : `The header Connection names ${quoteForeign(other)}.`;
  },
];

/** As services see it that take a character for the one it looks like: a fullwidth slash for a slash. */
const compatible = (path: string): string =>
  path.includes("%") ? encodeURI(decodeURIComponent(path).normalize("NFKC")) : path;

function fieldsThatMatter(rawHeaders: readonly string[]): Fields {
  const fields: Record<(typeof looked)[number], string[]> = {
    connection: [],
    "content-length": [],
    host: [],
    "transfer-encoding": [],
    upgrade: [],
  };
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] as string).toLowerCase();
    if (Object.hasOwn(fields, name)) fields[name as keyof Fields].push(rawHeaders[i + 1] as string);
  }
  return fields;
}
