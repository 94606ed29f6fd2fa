/** Tokens, trust feeds, revocations, policies and audit logs. */
import { decodeUtf8, type JwsType, parseStrictJson, signableJws, toBase64Url } from "@authmesh/core";
import {
  createTokenVerifier,
  importIssuerKey,
  readRevocationPage,
  readToken,
  staticKeys,
} from "@authmesh/oath";
import { LogCheck, readChainLine, readCheckpoint } from "@authmesh/oath/audit";
import { parseStrictYaml } from "@authmesh/oath/document";
import {
  EventStreamReader,
  readFeedRotation,
  readFeedStatement,
  readKeptFeed,
  readSnapshot,
} from "@authmesh/oath/feed";
import { parsePolicy } from "@authmesh/oath/node";
import { readJwkSet } from "../../../packages/oath/src/issuer/jwk-set.js";
import { maxAgeOf } from "../../../packages/oath/src/issuer/max-age.js";
import { compilePolicy } from "../../../packages/oath/src/policy/compile-policy.js";
import {
  parsePolicyCases,
  parsePolicyInput,
  toPolicyInput,
} from "../../../packages/oath/src/policy/policy-cases.js";
import { issuerKey, issuerKeys, nonces, noon, now, payloadOf } from "../subjects.js";
import { Disagreement, json, jws, mustBeEqual, type Target, text, utf8Of } from "../target.js";

const issuer = "https://issuer.example.com";
const tokens = createTokenVerifier({
  trustedIssuers: [issuer],
  replay: nonces,
  keys: staticKeys({ [issuer]: { keys: [issuerKey.publicJwk] } }),
  audience: "orders",
  policy: "none",
  tokenUse: "until-expiry",
  maxVerifiedTokens: 0,
  now,
});

/** A statement by the issuer's key with any payload. */
async function signedByIssuer(typ: JwsType, payload: string): Promise<string> {
  const message = signableJws(typ, "EdDSA", issuerKey.publicJwk.kid, payloadOf(payload));
  return `${decodeUtf8(message)}.${toBase64Url(await issuerKey.sign(message))}`;
}

const verified = async (token: string) => {
  const decision = await tokens.verify(token);
  return decision.allowed ? decision : decision.failure;
};
const keyOf = (kid: string) => issuerKeys.find((key) => key.kid === kid);
const feedStatement = (statement: string) => readFeedStatement(statement, keyOf);

const yamlWords = [
  "version: 1\n",
  "rules:\n",
  "  - ",
  "- name: a\n",
  "allow",
  ": ",
  "&a ",
  "*a",
  "!t",
  "<<: ",
  "|\n  ",
  "'",
  "{",
  "}",
  "[",
  "\n",
  "? ",
  "---\n",
  "# ",
];
const tokenWords = ["e30", ".", "eyJ", "=="];

/** The same text in one piece and in many. */
async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** What a policy says of an input is the same each time. */
function decided(policy: string): unknown {
  const engine = compilePolicy(parsePolicy(policy, policy.trimStart().startsWith("{") ? "json" : "yaml"));
  const question = toPolicyInput(
    { subject: "svc://a/b", action: "orders.read", issuer, audience: "orders" },
    noon,
  );
  mustBeEqual(engine.decide(question), engine.decide(question), "a decision, made twice");
  return engine;
}

export const statements: readonly Target[] = [
  jws("token", (token) => readToken(token), { words: tokenWords }),
  jws("token-verified", verified, { words: tokenWords }),
  json("token-claims", async (payload) => verified(await signedByIssuer("om+jwt", payload))),
  json("issuer-key", (jwk) => importIssuerKey(payloadOf(jwk))),
  json("jwk-set", (set) => readJwkSet(parseStrictJson(set).value, importIssuerKey)),
  text("max-age", (value) => maxAgeOf(new Headers({ "cache-control": printable(value) })), {
    words: ["max-age", "=", "60", ",", " ", '"', "no-store", "s-maxage"],
  }),
  json("feed-statement", async (payload) => feedStatement(await signedByIssuer("amesh-feed+jwt", payload))),
  jws("feed-statement-text", feedStatement, { words: tokenWords }),
  json("feed-rotation", async (payload) =>
    readFeedRotation(await signedByIssuer("amesh-feed-rotation+jwt", payload)),
  ),
  text("feed-snapshot", (snapshot) => readSnapshot(inPieces(utf8Of(snapshot), 50), feedStatement), {
    words: ["\n", '["device",', '"am_JjcHdWacSYujhwLD",', "null]", "{}"],
  }),
  text("kept-feed", (copy) => readKeptFeed({ iss: issuer, feed: "@acme" }, utf8Of(copy)), {
    words: ["\n", '["device",', '"am_JjcHdWacSYujhwLD",', '"epoch":', "null]", "{}"],
  }),
  text(
    "event-stream",
    (stream) => {
      const whole = new EventStreamReader().push(utf8Of(stream));
      const reader = new EventStreamReader();
      const parts = Array.from(utf8Of(stream), (byte) => reader.push(Uint8Array.of(byte))).flat();
      mustBeEqual(parts, whole, "a stream, byte by byte and at once");
      return whole;
    },
    { words: ["data: ", "event: ", "id: ", "\n", "\n\n", "\r\n", ":", "retry: 5"] },
  ),
  json("revocation-page", (page) => readRevocationPage(parseStrictJson(page).value, issuer, 0)),
  text(
    "strict-yaml",
    (document) => {
      const read = parseStrictYaml(document);
      if (read.problem === undefined) return read;
      if (read.problem === "") throw new Disagreement("a problem without words");
      return read;
    },
    { words: yamlWords },
  ),
  text("policy", decided, { words: [...yamlWords, "subject: ", "action: ", "when: ", "deny"] }),
  text("policy-cases", (cases) => parsePolicyCases(cases, "yaml"), { words: yamlWords }),
  text("policy-input", (input) => toPolicyInput(parsePolicyInput(input, "yaml"), noon), { words: yamlWords }),
  json("audit-line", (line) => readChainLine(utf8Of(line))),
  text(
    "audit-log",
    (log) => {
      const check = new LogCheck({ keys: issuerKeys, signatures: true });
      for (const [index, line] of log.split("\n").entries())
        check.line(utf8Of(line), { file: "a", line: index + 1 });
      return check.end();
    },
    { words: ["\n", '"sequence":"0000000000000001"', '"prevhash":', "{}"] },
  ),
  json("checkpoint", async (payload) =>
    readCheckpoint(await signedByIssuer("amesh-checkpoint+jwt", payload), issuerKeys),
  ),
  jws("checkpoint-text", (checkpoint) => readCheckpoint(checkpoint, issuerKeys), { words: tokenWords }),
];

/** As it can stand in a header. */
const printable = (value: string) => value.replace(/[^\x20-\x7e]/g, "");
