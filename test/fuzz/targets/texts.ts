/** Small texts that devices, people and proxies write. */
import {
  canonicalJson,
  canonicalTarget,
  clientAddress,
  formatScopes,
  fromBase64,
  fromBase64Url,
  normalizeHost,
  parsePairingCode,
  parseRequirement,
  parseScopes,
  parseStrictJson,
  readPublicKey,
  signatureFromDer,
  toBase64,
  toBase64Url,
} from "@authmesh/core";
import { accountName, enrollmentLabel, mailAddress, readRecoveryCode } from "@authmesh/core/enrollment";
import { compileGlob, isPlainPath, issuerProblem, originProblem } from "@authmesh/oath";
import { readActivationCode } from "../../../packages/authority/src/accounts/activation-code.js";
import { parseDuration } from "../../../packages/cli/src/time.js";
import {
  formatAuthMeshHeader,
  parseAuthMeshHeader,
} from "../../../packages/core/src/authorization-header.js";
import { friendlyName } from "../../../packages/core/src/friendly-name.js";
import { originOf } from "../../../packages/gateway/src/inbound/forwarded-for.js";
import { relayUrl } from "../../../packages/sdk/src/pairing/relay-url.js";
import { readMarker } from "../../../packages/sdk/src/redis/memory-marker.js";
import { bytes, Disagreement, json, mustBeEqual, type Target, text } from "../target.js";

const hostWords = ["api.example.com", "xn--", ":443", "[::1]", "127.0.0.1", ".", "%", "@", "/", "\\"];
const addresses = [
  "1.2.3.4",
  "::ffff:1.2.3.4",
  "2001:db8::1",
  "[::1]:80",
  "unknown",
  ",",
  " ",
  ":",
  "fe80::1%eth0",
];

export const texts: readonly Target[] = [
  text(
    "authorization-header",
    (value) => {
      const header = parseAuthMeshHeader(value);
      if ("code" in header) return header;
      const written = formatAuthMeshHeader(
        header.key,
        String(header.timestamp),
        header.nonce,
        toBase64Url(header.signature),
      );
      mustBeEqual(parseAuthMeshHeader(written), header, "a header, written and read again");
      return header;
    },
    {
      words: ["AuthMesh ", "v=", '"1"', "id=", "ts=", "nonce=", "sig=", ",", '"', "=", "\\", "A79HCPDDSEZ="],
    },
  ),
  text(
    "request-target",
    (target) => {
      const canonical = canonicalTarget(target);
      mustBeEqual(canonicalTarget(canonical), canonical, "a canonical target, made canonical");
      return { canonical };
    },
    { words: ["/", "?", "&", "=", "+", "%20", "%2B", "a", "b", ";", "//", "/../", "#", "*", "http://h/"] },
  ),
  text(
    "host",
    (host) => {
      const normal = normalizeHost(host);
      if (normal !== undefined) mustBeEqual(normalizeHost(normal), normal, "a normal host, made normal");
      return normal && { normal };
    },
    { words: hostWords },
  ),
  text(
    "client-address",
    (forwarded) => [0, 1, 2].map((proxies) => clientAddress("192.0.2.1", forwarded, proxies)),
    { words: addresses },
  ),
  text(
    "forwarded-for",
    (lines) => {
      const [forwardedFor = "", forwardedProto = ""] = lines.split("\n");
      const arrival = {
        forwardedFor: [forwardedFor],
        forwardedProto: [forwardedProto],
        peer: "192.0.2.1",
        encrypted: true,
      };
      return [0, 1, 2].map((proxies) => originOf(arrival, proxies));
    },
    { words: [...addresses, "\n", "http", "https"] },
  ),
  text(
    "scopes",
    (written) => {
      const scopes = parseScopes(written);
      mustBeEqual(
        formatScopes(parseScopes(formatScopes(scopes))),
        formatScopes(scopes),
        "scopes, written and read",
      );
      return scopes;
    },
    { words: ["orders", ":r", ":rw", ":w", ",", "*", ".", "a.b", " ", "__proto__:r"] },
  ),
  text("required-scope", (scope) => ({ granted: parseRequirement(scope)({ orders: "rw" }) }), {
    words: ["orders", ":r", ":w", ".", "*"],
  }),
  text("pairing-code", (code) => ({ code: parsePairingCode(code) }), { words: ["482916", "-", " ", "0"] }),
  text("recovery-code", (code) => spelling(readRecoveryCode(code)), {
    words: ["AAAA", "-", "0", "O", "I", " "],
  }),
  text("activation-code", (code) => spelling(readActivationCode(code)), {
    words: ["AAAA", "-", "0", "O", " "],
  }),
  text("friendly-name", (name) => ({ name: friendlyName(name) }), { words: ["till", "é", " "] }),
  text("account-name", (name) => ({ name: accountName(name) }), { words: ["@", "acme", "-"] }),
  text("label", (name) => ({ name: enrollmentLabel("app", name) }), { words: ["orders", "_", ".", "-"] }),
  text("mail-address", (address) => spelling(mailAddress(address)), {
    words: ["ada", "@", "example.com", ".", "+", '"', "\r\n", "<", ">", "xn--"],
  }),
  text("duration", (duration) => ({ seconds: parseDuration(duration) }), {
    words: ["1", "90", "s", "m", "h", "d", "y", "-"],
  }),
  text("relay-url", (url) => ({ url: relayUrl(url, {}) }), {
    words: ["ws://", "wss://", "/ws", ...hostWords, "?", "#", "user:pw@"],
  }),
  text("issuer-url", (url) => said(issuerProblem(url) ?? originProblem(url)), {
    words: ["https://", "http://localhost", "/", ...hostWords, "?", "#"],
  }),
  text("memory-marker", (marker) => readMarker(marker), {
    words: ["new", "lost", " ", "1743160800", "AAAAAAAAAAA"],
  }),
  text("plain-path", (path) => isPlainPath(path) || undefined, {
    words: ["/", "%2f", "%2e", "..", ";", "//", "a"],
  }),
  text(
    "glob",
    (input) => {
      const [pattern = "", value = ""] = input.split("\n");
      return { matches: compileGlob(pattern, "/").matches(value) };
    },
    { words: ["*", "**", "/", "a", "ab", "*a*a*a", "\n"] },
  ),
  text("public-key", (key) => ({ id: readPublicKey(key).deviceId }), {
    words: ["-----BEGIN PUBLIC KEY-----\n", "\n-----END PUBLIC KEY-----", '{"kty":"EC"', "A79H", "MFkw"],
  }),
  bytes("public-key-bytes", (key) => ({ id: readPublicKey(key).deviceId }), {
    words: ["\x30\x59", "\x04", "\x02", "\x03"],
  }),
  bytes("signature-der", (der) => ({ raw: signatureFromDer(der) }), {
    words: ["\x30", "\x02\x20", "\x02\x21\0", "\x81"],
  }),
  text(
    "base64",
    (written) => {
      const [standard, url] = [fromBase64(written), fromBase64Url(written)];
      if (standard !== undefined) mustBeEqual(toBase64(standard), written, "base64, read and written");
      if (url !== undefined) mustBeEqual(toBase64Url(url), written, "base64url, read and written");
      return standard ?? url;
    },
    { words: ["A", "AA", "==", "=", "+", "/", "-", "_", "AAAA"] },
  ),
  json(
    "strict-json",
    (document) => {
      const read = parseStrictJson(document);
      if (read.problem !== undefined) return read;
      mustBeEqual(read.value, JSON.parse(document), "what JSON.parse makes of it");
      const canonical = canonicalJson(read.value);
      mustBeEqual(canonicalJson(JSON.parse(canonical)), canonical, "canonical JSON, made canonical");
      return read;
    },
    { words: ["{", "}", "[", "]", ",", ":", '"a"', '"\\u0061"', '"\\ud800"', "1e400", "-0", "[".repeat(70)] },
  ),
];

/** A spelling that is read stays what it is when it is read again. */
const spelling = (read: string | undefined) => (read === undefined ? undefined : { read });

function said(problem: string | undefined): { problem?: string } {
  if (problem === "") throw new Disagreement("a problem without words");
  return problem === undefined ? {} : { problem };
}
