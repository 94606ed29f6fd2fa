import type { RequestListener } from "node:http";
import { fileURLToPath } from "node:url";
import { EdgeVM } from "@edge-runtime/vm";
import { rolldown } from "rolldown";
import { beforeAll, describe, expect, test } from "vitest";
import { http1 } from "../adapters/wire.js";
import { serve } from "../fixtures/servers.js";
import { audience, Holder, TokenBench, type TokenExchange } from "./token-exchange.js";

/** A function for the edge runtime, as an application writes it: of its policy it has the engine with it. */
const application = `
  import { requireAction, withOathMesh } from "@authmesh/sdk/next";
  const log = () => {};
  const quiet = { debug: log, info: log, warn: log, error: log };
  const options = { audience: "${audience}", trustedIssuers: [ISSUER], policy: "none", logger: quiet };
  const oathmesh = withOathMesh(options);
  addEventListener("fetch", (event) => event.respondWith(answer(event.request)));
  async function answer(request) {
    const { caller, error } = await oathmesh(request);
    if (error) return error;
    const refusal = requireAction(caller, "orders.write");
    if (refusal) return refusal;
    return Response.json({ by: caller.principal.subject, body: await request.text() });
  }
`;

let bundle: string;

beforeAll(async () => {
  const entry = fileURLToPath(new URL("edge-function.js", import.meta.url));
  const builder = await rolldown({
    input: entry,
    platform: "neutral",
    resolve: { conditionNames: ["@authmesh/source", "edge-light", "import", "default"] },
    plugins: [
      {
        name: "application",
        load: (id) => (id === entry ? application : undefined),
        resolveId: (id) => (id === entry ? id : undefined),
      },
    ],
    // What cannot be resolved for this runtime, such as a built-in of Node.js, must not be left for it to stumble on.
    onLog(_level, log) {
      throw new Error(log.message);
    },
  });
  const { output } = await builder.generate({ format: "iife" });
  await builder.close();
  bundle = output[0].code;
});

/** The function on an edge runtime of its own, and an issuer whose keys it fetches. */
async function onTheEdge(keys: (bench: TokenBench) => RequestListener = publish) {
  const bench = new TokenBench(http1);
  const { url } = await serve(keys(bench));
  const edge = new EdgeVM({ initialCode: `const ISSUER = ${JSON.stringify(url)};\n${bundle}` });
  bench.host = "edge.example.com";
  const send = async (exchange: TokenExchange, token?: string) => {
    const { method = "GET", path = "/echo", type, body, sent } = exchange;
    const headers = await bench.headers(exchange, token ?? (await bench.token({ issuer: url, ...exchange })));
    const response = await edge.dispatchFetch(`http://${bench.host}${path}`, {
      method,
      headers: [
        ...headers.map((pair) => [...pair] as [string, string]),
        ...(type === undefined ? [] : [["Content-Type", type] as [string, string]]),
      ],
      body: (sent?.body ?? body) as string,
    });
    return { status: response.status, headers: response.headers, content: await response.json() };
  };
  return { bench, url, send };
}

const publish =
  (bench: TokenBench): RequestListener =>
  (_request, response) => {
    response.setHeader("Content-Type", "application/json").end(JSON.stringify(bench.jwks));
  };

const post = { method: "POST", type: "application/json", body: '{"amount":100}' } as const;

describe("on the edge runtime", () => {
  test("the bundle has nothing of Node.js in it", () => {
    expect(bundle).not.toMatch(/["']node:|\brequire\(/);
  });

  test("a good token lets a request in, once, and its body is the handler's to read", async () => {
    const { bench, url, send } = await onTheEdge();
    const token = await bench.token({ issuer: url });
    const answer = { by: "svc://billing/worker", body: post.body };
    expect(await send(post, token)).toMatchObject({ status: 200, content: answer });
    expect(await send(post, token)).toMatchObject({ status: 401, content: { error: "replay_detected" } });
  });

  test("tokens bound to their request and to their holder are held to that", async () => {
    const { send } = await onTheEdge();
    const bound = { ...post, bound: true, holder: new Holder() };
    expect((await send(bound)).status).toBe(200);
    const refused = { status: 401, content: { error: "binding_mismatch", step: 12 } };
    expect(await send({ ...bound, sent: { body: "{}" } })).toMatchObject(refused);
    expect(await send({ ...bound, signedBy: "nobody" })).toMatchObject(refused);
  });

  test.each([
    ["claim_missing:token", { sent: { authorization: () => [] } }],
    ["issuer_untrusted", { issuer: "https://evil.example.com" }],
    ["token_expired", { at: -600 }],
    ["audience_mismatch", { claims: { aud: "other" } }],
  ] as const)("%s refuses", async (error, exchange) => {
    const { send } = await onTheEdge();
    const { status, headers, content } = await send(exchange);
    expect([status, content.error]).toEqual([401, error]);
    expect(headers.get("www-authenticate")).toBe(`OathMesh error="${error}"`);
  });

  test("a route takes its own action alone", async () => {
    const { send } = await onTheEdge();
    const answer = { status: 403, content: { error: "action_mismatch" } };
    expect(await send({ claims: { act: "orders.read" } })).toMatchObject(answer);
  });

  test("an issuer that does not answer keeps everybody out", async () => {
    const { send } = await onTheEdge(() => (_request, response) => response.writeHead(500).end());
    expect(await send({})).toMatchObject({ status: 503, content: { error: "issuer_unreachable" } });
  });
});
