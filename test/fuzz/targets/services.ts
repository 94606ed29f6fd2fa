/** What gateways, authorities, clients and the command line are given. */

import { readAuthorityPolicy, readExchangeConfig } from "@authmesh/authority";
import { parseStrictJson } from "@authmesh/core";
import { checkDocument } from "@authmesh/oath/document";
import { readArguments as authorityArguments } from "../../../packages/authority/src/command-line.js";
import { readExchangeRequest } from "../../../packages/authority/src/exchange/exchange-request.js";
import { importProviderKey } from "../../../packages/authority/src/exchange/provider-key.js";
import { readSubjectToken } from "../../../packages/authority/src/exchange/subject-token.js";
import { readMintRequest } from "../../../packages/authority/src/mint/mint-request.js";
import { readCall } from "../../../packages/cli/src/call.js";
import { findVerb } from "../../../packages/cli/src/find-verb.js";
import { visible } from "../../../packages/cli/src/terminal/visible.js";
import { inspectToken } from "../../../packages/cli/src/token/inspect.js";
import { toldRequest } from "../../../packages/gateway/src/authz/original-request.js";
import { proxyDialects } from "../../../packages/gateway/src/authz/proxy-dialects.js";
import { readArguments as gatewayArguments } from "../../../packages/gateway/src/command/command-line.js";
import { configShape } from "../../../packages/gateway/src/config/config-document.js";
import type { GatewayConfig } from "../../../packages/gateway/src/config/gateway-config.js";
import { settingsOf } from "../../../packages/gateway/src/config/settings-of.js";
import { answerHeaders, answerTrailers } from "../../../packages/gateway/src/forward/answer-headers.js";
import { upstreamHeaders } from "../../../packages/gateway/src/forward/upstream-headers.js";
import { ambiguityOf } from "../../../packages/gateway/src/inbound/request-checks.js";
import { RouteTable } from "../../../packages/gateway/src/inbound/routes.js";
import { routeOf } from "../../../packages/gateway/test/fixtures/settings.js";
import { readArguments as relayArguments } from "../../../packages/relay/src/command-line.js";
import { decodeBody } from "../../../packages/sdk/src/body/decoded-body.js";
import {
  enrollmentInfo,
  outcome,
  readTold,
  watchedEnrollment,
} from "../../../packages/sdk/src/enroll/told.js";
import { pinOf, pinText } from "../../../packages/sdk/src/feed/feed-pin.js";
import { readCaller } from "../../../packages/sdk/src/next/caller-header.js";
import { noon, now, payloadOf, requestOf } from "../subjects.js";
import { bytes, Disagreement, json, jws, mustBeEqual, type Target, text, utf8Of } from "../target.js";

const headWords = [
  "GET ",
  "/",
  "/api/%2e",
  "\n",
  "host: ",
  "api.example.com",
  "content-length: ",
  "transfer-encoding: ",
  "chunked",
  "connection: ",
  "close",
  "upgrade: ",
  "websocket",
  ", ",
  "1",
  "x-forwarded-",
  "x-original-uri: /a",
];
const argumentWords = [
  "\n",
  "--port",
  "--host",
  "--json",
  "--limit",
  "--help",
  "-h",
  "--",
  "=",
  "caller=5",
  "4000",
  "--no-input",
  "--dir",
];

/** A line for each argument. */
const argumentsIn = (lines: string): string[] => (lines === "" ? [] : lines.split("\n"));

/** Names and values in turn, of a request that is written as text. */
function rawHeadersIn(written: string): string[] {
  const [, ...lines] = written.split("\n");
  return lines.flatMap((line) => {
    const colon = line.indexOf(":");
    return colon < 0 ? [] : [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
}

const told = (name: string, reader: Parameters<typeof readTold>[0]): Target =>
  json(name, (answer) => readTold(reader, parseStrictJson(answer).value));

const routes = new RouteTable([
  routeOf({ path: "/api/*" }),
  routeOf({ path: "/api/orders", methods: ["POST"] }),
]);

export const services: readonly Target[] = [
  text(
    "gateway-request",
    (written) => {
      const { method, target } = requestOf(written);
      const found = ambiguityOf({ method, target, httpVersion: "1.1", rawHeaders: rawHeadersIn(written) });
      if (found !== undefined) return found;
      return { found: routes.find("api.example.com", target.split("?")[0] ?? "", method) };
    },
    { words: headWords },
  ),
  text(
    "upstream-headers",
    (written) => {
      const rawHeaders = rawHeadersIn(written);
      const headers = upstreamHeaders({
        rawHeaders,
        route: { forwardProof: false },
        forwardedFor: ["192.0.2.1"],
        host: "api.example.com",
        scheme: "https",
      } as unknown as Parameters<typeof upstreamHeaders>[0]);
      if (
        headers.some((name, i) => i % 2 === 0 && /^(?:authorization|connection|x-authmesh-.*)$/i.test(name))
      )
        throw new Disagreement("the upstream is given what is not for it");
      return headers;
    },
    { words: headWords },
  ),
  text(
    "answer-headers",
    (written) => {
      const raw = rawHeadersIn(written).map((part) => Buffer.from(part, "latin1"));
      answerTrailers(raw);
      return answerHeaders(raw, 200);
    },
    { words: headWords },
  ),
  ...(Object.keys(proxyDialects) as (keyof typeof proxyDialects)[]).map((name) =>
    text(`question-of-${name}`, (written) => toldRequest(requestOf(written), proxyDialects[name], ""), {
      words: headWords,
    }),
  ),
  text(
    "gateway-config",
    async (document) => {
      const checked = checkDocument<GatewayConfig>(document, "yaml", {
        shape: configShape,
        maxBytes: 1 << 20,
      });
      if (checked.problems !== undefined) return { problem: checked.problems };
      const surroundings = { env: {}, role: "proxy", folder: "/nowhere" } as const;
      return { read: await settingsOf(checked.value, surroundings) };
    },
    {
      words: [
        "version: 1\n",
        "routes:\n",
        "  - path: /*\n",
        "    upstream: http://127.0.0.1:1\n",
        "listen:\n",
        "  port: 80\n",
        "tokens:\n",
        "admin: false\n",
        "audience: a\n",
      ],
    },
  ),
  text("gateway-arguments", (lines) => gatewayArguments(argumentsIn(lines), {}), {
    words: [...argumentWords, "check", "authz", "--upstream"],
  }),
  text("authority-arguments", (lines) => authorityArguments(argumentsIn(lines), {}), {
    words: argumentWords,
  }),
  text("relay-arguments", (lines) => relayArguments(argumentsIn(lines), {}), { words: argumentWords }),
  text(
    "cli-arguments",
    async (lines) => {
      const named = await findVerb(argumentsIn(lines));
      if (!("verb" in named)) return named;
      const { verb } = await named.verb.load();
      return readCall(named.verb, verb.manual, named.rest);
    },
    { words: [...argumentWords, "init", "list", "token", "mint", "enroll", "approve", "revoke", "--name"] },
  ),
  text(
    "terminal-text",
    (shown) => {
      if (visible(shown).includes("\x1b")) throw new Disagreement("a control sequence reaches the terminal");
      return { shown };
    },
    { words: ["\x1b[2J", "\r", "\n", "\u202e", "\u009b"] },
  ),
  jws("inspected-token", (token) => inspectToken(token, noon), { words: ["e30", ".", "eyJ"] }),
  jws("subject-token", readSubjectToken, { words: ["e30", ".", "eyJ"] }),
  text("exchange-request", (form) => readExchangeRequest(new URLSearchParams(form)), {
    words: [
      "grant_type=",
      "urn:ietf:params:oauth:grant-type:token-exchange",
      "&",
      "subject_token=",
      "subject_token_type=",
      "audience=",
      "action=",
      "ttl=",
      "cnf=",
      "%",
      "scope=a+b",
    ],
  }),
  json("exchange-config", (config) => readExchangeConfig(payloadOf(config))),
  json("provider-key", (jwk) => importProviderKey(JSON.parse(JSON.stringify(payloadOf(jwk) ?? {})))),
  text("authority-policy", (policy) => readAuthorityPolicy(utf8Of(policy), "policy.yaml"), {
    words: [
      "version: 1\n",
      "mint:\n",
      "rules:\n",
      "  - ",
      "devices: ",
      "subject: ",
      "{",
      "}",
      "[",
      "]",
      "*",
      "exchange:\n",
    ],
  }),
  json("mint-request", (body) => readMintRequest(utf8Of(body))),
  told("told-enrollment", enrollmentInfo),
  told("told-change", watchedEnrollment),
  told("told-outcome", outcome),
  json("feed-pin", (pin) => {
    const read = pinOf(utf8Of(pin), "The pin");
    mustBeEqual(pinOf(utf8Of(pinText(read)), "The pin"), read, "a pin, written and read");
    return read;
  }),
  text("next-caller", (header) => ({ caller: readCaller({ get: () => header }, now()) }), {
    words: ["e30", ".", "AAAA"],
  }),
  ...["gzip", "deflate", "br"].map((coding) =>
    bytes(`body-${coding}`, (body) => decodeBody(Buffer.from(body), coding, 65_536), {
      words: ["\x1f\x8b\x08", "\x78\x9c", "\0\0\xff\xff", "\x0b"],
    }),
  ),
];
