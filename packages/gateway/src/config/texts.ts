import { normalizeHost } from "@authmesh/core";
import { accountForm } from "@authmesh/core/enrollment";
import { deviceIdForm } from "@authmesh/core/records";
import { isPlainPath, issuerProblem } from "@authmesh/oath";
import { also, type Shape, text, unseen } from "@authmesh/oath/document";

/** A text with something more to insist on than a pattern can say. */
const insisting = (shape: Shape, problemOf: (text: string) => string | undefined): Shape =>
  also(shape, {}, (value, at, report) => {
    const message = problemOf(value as string);
    if (message !== undefined) report({ at, message });
  });

export const file = text(`^[^${unseen}]{1,4096}$`, "the path of a file");
export const folder = text(`^[^${unseen}]{1,4096}$`, "the path of a folder");
export const visible = text("^[!-~]{1,512}$", "a text of 1 to 512 visible ASCII characters");
export const method = text("^[A-Z]+(?:-[A-Z]+)*$", "the name of a method in upper case");
export const deviceId = text(deviceIdForm.source, "a device id");
export const thumbprint = text("^[A-Za-z0-9_-]{43}$", "the thumbprint of a key: 43 characters of base64url");
export const account = text(accountForm.source, 'the name of an account, such as "@acme"');
export const name = text(
  "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$",
  "a name of letters, digits, `_`, `.` and `-`, at most 64",
);
export const routeName = text(`^[^${unseen}]{1,256}$`, "a line of 1 to 256 characters");

/** What a socket listens on. */
export const address = text("^[A-Za-z0-9._:%-]{1,253}$", "an address or the name of a host");

/** As callers write it, with a port where that is not the scheme's. */
export const hostWithPort = insisting(
  text("^[^\\s/?#@\\\\,*]{1,260}$", 'a host such as "api.example.com" or "localhost:3000"'),
  (host) => {
    const normal = normalizeHost(host);
    if (normal === undefined) return `is not a host such as "api.example.com" or "localhost:3000": ${host}.`;
    return normal.endsWith(":443") ? "names the default port, which callers leave out." : undefined;
  },
);

export const hostAlone = insisting(
  text(
    "^(?:[^\\s/?#@\\\\,*:]{1,253}|\\[[0-9A-Fa-f:.]+\\])$",
    'a host without a port, such as "api.example.com"',
  ),
  (host) =>
    normalizeHost(host) === undefined ? `is not a host such as "api.example.com": ${host}.` : undefined,
);

/** The half-sentence of a URL's part that has no place where only an origin is wanted. */
const notOfOrigins: readonly (readonly [what: string, has: (url: URL) => boolean])[] = [
  ["credentials", ({ username, password }) => `${username}${password}` !== ""],
  ["a path", ({ pathname }) => pathname !== "/"],
  ["a query", ({ href }) => href.includes("?")],
  ["a fragment", ({ href }) => href.includes("#")],
];

/** Why a text is not the origin of a server; undefined where it is. */
export function originProblem(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const found = url && notOfOrigins.find(([, has]) => has(url));
  return found && `has ${found[0]}; it is scheme, host and port, such as "http://127.0.0.1:8080".`;
}

export const origin = insisting(
  text("^https?://[!-~]{1,512}$", 'a URL such as "http://127.0.0.1:8080"'),
  (text) => (URL.canParse(text) ? originProblem(text) : "is no URL."),
);

export const issuer = insisting(
  text("^https?://[!-~]{1,512}$", 'the URL of an issuer, such as "https://issuer.example.com"'),
  (text) => {
    const problem = issuerProblem(text);
    return problem && `is no issuer: ${problem}.`;
  },
);

export const redisUrl = insisting(
  text("^rediss?://[!-~]{1,512}$", 'a URL such as "redis://redis:6379"'),
  (text) => {
    if (!URL.canParse(text)) return "is no URL.";
    return new URL(text).password === ""
      ? undefined
      : "has a password, which does not belong in a configuration: put the URL in a file, and name that as urlFile.";
  },
);

const notPlain = "is matched by no request: a path has no dot segments, `//`, `;`, or needless escapes.";

/** "/health", "/api/*" */
export const routePath = insisting(
  text("^/[^\\s?#]{0,1023}$", 'a path such as "/health" or "/api/*"'),
  (path) => {
    const fixed = path.replace(/\/\*$/, "/");
    if (fixed.includes("*")) return "has a `*` elsewhere than in a `/*` at its end.";
    return isPlainPath(fixed) ? undefined : notPlain;
  },
);

export const prefix = insisting(
  text("^/[^\\s?#]{0,1022}[^\\s?#/]$", 'the beginning of a path, such as "/api"'),
  (path) => (isPlainPath(path) ? undefined : notPlain),
);

export const healthPath = text("^/[!-~]{0,1023}$", 'a path such as "/health"');
