/**
 * The table on a runtime's own server: `bun native.ts`, or
 * `deno run --allow-all --node-modules-dir=manual --unstable-sloppy-imports native.ts`, after a build.
 */
import { protect } from "@authmesh/sdk/fetch";
import { verify } from "@authmesh/sdk/hono";
import { Hono } from "hono";
import { type AdapterUnderTest, fetchDiffers, type RunningServer } from "./adapter.js";
import { cases } from "./cases.js";
import type { Bench, Outcome } from "./exchange.js";
import { expectedOf, runCase } from "./run-case.js";
import { http1 } from "./wire.js";

type FetchHandler = (request: Request) => Response | Promise<Response>;

/** What this file needs of the two runtimes. */
interface Runtime {
  readonly serve: (options: object, handler?: FetchHandler) => RuntimeServer;
}
interface RuntimeServer {
  readonly port?: number;
  readonly addr?: { readonly port: number };
  stop?(now: boolean): Promise<void>;
  shutdown?(): Promise<void>;
}
const { Bun, Deno } = globalThis as { Bun?: Runtime; Deno?: Runtime };

const hostname = "127.0.0.1";
const serveFetch = (handler: FetchHandler): RunningServer => {
  if (Bun !== undefined) {
    const server = Bun.serve({ port: 0, hostname, fetch: handler });
    return { host: `${hostname}:${server.port}`, close: async () => server.stop?.(true) };
  }
  if (Deno === undefined) throw new Error("This is neither Bun nor Deno.");
  const stop = new AbortController();
  const server = Deno.serve({ port: 0, hostname, signal: stop.signal, onListen() {} }, handler);
  return { host: `${hostname}:${server.addr?.port}`, close: async () => stop.abort() };
};

const { "a target that is a whole URL": wholeUrl, "two content types": twoTypes } = fetchDiffers;

/** Deno leaves dot segments and backslashes in the URL of a request, where the verifier sees and refuses them. */
const denoDiffers: AdapterUnderTest["differs"] = {
  "a target that is a whole URL": wholeUrl,
  "two content types": twoTypes,
  "two hosts": { because: "the server refuses it by itself", outcome: { status: 400, handled: 0 } },
};
const differs = Deno === undefined ? fetchDiffers : denoDiffers;

const adapters: readonly AdapterUnderTest[] = [
  {
    name: "protect()",
    transport: http1,
    differs,
    async start(bench, options, mount = "") {
      const guarded = protect(
        async (request) =>
          echo(bench, request.authMesh.friendlyName, request.method, await request.arrayBuffer()),
        options,
      );
      return serveFetch((request) =>
        new URL(request.url).pathname.startsWith(mount)
          ? guarded(request)
          : new Response(null, { status: 404 }),
      );
    },
  },
  {
    name: "Hono",
    transport: http1,
    differs,
    async start(bench, options, mount) {
      const guarded = new Hono();
      guarded.use(verify(options));
      guarded.all("/*", async (c) =>
        echo(bench, c.get("authMesh").friendlyName, c.req.method, await c.req.arrayBuffer()),
      );
      const app = mount === undefined ? guarded : new Hono().route(mount, guarded);
      return serveFetch((request) => app.fetch(request));
    },
  },
];

const echo = (bench: Bench, by: string, method: string, body: ArrayBuffer): Response =>
  new Response(bench.echo(by, method, new Uint8Array(body)));

let failed = 0;
for (const adapter of adapters) {
  for (const each of cases) {
    const outcome = JSON.stringify(inOrder(await runCase(adapter, each)));
    const expected = JSON.stringify(inOrder(expectedOf(adapter, each)));
    if (outcome === expected) continue;
    failed++;
    console.error(`FAIL ${adapter.name}: ${each.name}\n  expected ${expected}\n  but got  ${outcome}`);
  }
}
console.log(`${adapters.length * cases.length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function inOrder({ status, error, saw, handled }: Outcome): Outcome {
  return {
    status,
    ...(error === undefined ? {} : { error }),
    ...(saw === undefined ? {} : { saw }),
    handled,
  };
}
