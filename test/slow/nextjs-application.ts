import { execFile } from "node:child_process";
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { protect } from "@authmesh/sdk/next";
import type { AdapterUnderTest, Difference } from "../../packages/sdk/test/adapters/adapter.js";
import { sha256 } from "../../packages/sdk/test/adapters/exchange.js";
import { http1 } from "../../packages/sdk/test/adapters/wire.js";
import { example } from "../fixtures/example-server.js";

/** Where the application's files find what they hand requests to. */
const underTest: { route?: (request: Request) => unknown; proxy?: (request: Request) => unknown } = {};
Object.assign(globalThis, { ameshUnderTest: underTest });

const seesTheFirst = (method: string, body = ""): Difference => ({
  because: "Node.js keeps the first of several such headers, and a handler sees no other",
  outcome: { status: 200, saw: { by: "caller", method, body: sha256(body) }, handled: 1 },
});
const redirects: Difference = {
  because: "Next.js redirects to the spelling that it routes by, before anybody sees the request",
  outcome: { status: 308, handled: 0 },
};
const normalises: Difference = {
  because: "Next.js writes the path anew, and routes by the one that is verified",
  outcome: { status: 200, saw: { by: "caller", method: "GET", body: sha256("") }, handled: 1 },
};
const nextjsDiffers: NonNullable<AdapterUnderTest["differs"]> = {
  "a path with dot segments": normalises,
  "a path with encoded dot segments": normalises,
  "a trailing slash": redirects,
  "a trailing slash that was added on the way": redirects,
  "a path that begins with two slashes": redirects,
  "a path with a backslash": redirects,
  "a target that is a whole URL": redirects,
  "two slashes behind the prefix": redirects,
  "a query that is not UTF-8": {
    because: "Next.js writes the query anew, and what was signed is another",
    outcome: { status: 401, error: "unauthorized", handled: 0 },
  },
  "two proofs": seesTheFirst("GET"),
  "two hosts": seesTheFirst("GET"),
  "two content types": seesTheFirst("POST", '{"amount":100}'),
};

const source = fileURLToPath(new URL("nextjs-app", import.meta.url));
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: "1", NODE_ENV: "production" };

/** Every application has one: Next.js would take that of the folder above. */
const proxies = {
  route: 'export const proxy = () => undefined; export const config = { matcher: "/nowhere" };',
  proxy: "export const proxy = (request) => globalThis.ameshUnderTest.proxy(request);",
};

/** An application whose only route, or whose proxy.ts, is what is under test. */
export class NextjsApplication implements AdapterUnderTest {
  readonly name: string;
  readonly transport = http1;
  readonly differs = nextjsDiffers;
  readonly #place: keyof typeof underTest;
  /** Next.js and its packages are found from a folder within the example. */
  readonly #folder: string;
  readonly #server = createServer();

  constructor(place: keyof typeof underTest) {
    this.name = `Next.js, ${place}`;
    this.#place = place;
    this.#folder = join(example("nextjs"), `.adapters-${place}`);
  }

  async open(): Promise<void> {
    cpSync(source, this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, "proxy.js"), proxies[this.#place]);
    const require = createRequire(join(this.#folder, "next.config.mjs"));
    const build = [require.resolve("next/dist/bin/next"), "build"];
    await promisify(execFile)(process.execPath, build, { cwd: this.#folder, env });
    const next = require("next") as (options: object) => {
      prepare(): Promise<void>;
      getRequestHandler(): RequestListener;
    };
    const application = next({ dev: false, dir: this.#folder });
    await application.prepare();
    this.#server.on("request", application.getRequestHandler());
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  async start(...[bench, options, mount = ""]: Parameters<AdapterUnderTest["start"]>) {
    const guarded = protect(async (request) => {
      const body = new Uint8Array(await request.arrayBuffer());
      return new Response(bench.echo(request.authMesh.friendlyName, request.method, body));
    }, options);
    underTest[this.#place] = (request) =>
      new URL(request.url).pathname.startsWith(mount)
        ? guarded(request)
        : new Response(null, { status: 404 });
    const { port } = this.#server.address() as AddressInfo;
    return { host: `127.0.0.1:${port}`, close: async () => this.#server.closeAllConnections() };
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
