import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../scripts/run.js";

const project = mkdtempSync(join(tmpdir(), "amesh-guide-types-"));
const write = (file: string, text: string) => {
  mkdirSync(dirname(join(project, file)), { recursive: true });
  writeFileSync(join(project, file), text);
};

/** The settings of a careful user; the packages are found as they are installed, by their declarations in dist. */
const settings = {
  compilerOptions: {
    target: "ES2023",
    types: ["node"],
    module: "preserve",
    moduleResolution: "bundler",
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    noEmit: true,
  },
};

/** Next.js is installed by the slow tests alone, which compile the whole example. */
const next = `
declare module "next" {
  import type { IncomingMessage, ServerResponse } from "node:http";
  export interface NextConfig { serverExternalPackages?: string[]; turbopack?: { root?: string } }
  export interface NextApiRequest extends IncomingMessage { body: any }
  export type NextApiResponse = ServerResponse & { json(body: unknown): void };
}
declare module "next/server" {
  export class NextResponse extends Response {
    static next(init: { request: { headers: Headers } }): NextResponse;
  }
}`;

/** What the pages say in words, and what other packages declare beside ours. */
const users = `
import http from "node:http";
import http2, { type Http2ServerRequest, type Http2ServerResponse } from "node:http2";
import { amesh } from "@authmesh/sdk";
import { type AuthenticatedMessage, protect } from "@authmesh/sdk/node";
import express from "express";

declare global {
  namespace Express { interface Request { rawBody?: Buffer } }
}

const sizeOf = (body: Buffer | undefined): number => body?.length ?? 0;
express().post("/", amesh.verify(), (req, res) => { res.json({ bytes: sizeOf(req.rawBody), order: req.body }); });

const options = { audience: "api.example.com" };
http.createServer(protect((req, res) => res.end(String(sizeOf(req.rawBody))), options));
http.createServer({}, protect((req, res) => res.setHeader("x", 1).end(JSON.stringify(req.body)), options));
http2.createServer(protect((req, res) => { res.stream.end(String(sizeOf(req.rawBody))); }));
http2.createServer(protect((req, res) => { res.stream.end(req.authMesh.deviceId); }, options));
http2.createSecureServer({}).on("request", protect((req, res) => { res.stream.end(req.authMesh.deviceId); }, options));
http2.createSecureServer({}, protect<Http2ServerRequest, Http2ServerResponse>((req, res) => {
  res.stream.end(String(sizeOf(req.rawBody)));
}, options));
const handle = (req: AuthenticatedMessage<Http2ServerRequest>, res: Http2ServerResponse) =>
  res.end(String(req.stream.id));
http2.createSecureServer({}, protect(handle, options));

// @ts-expect-error a body is whatever the caller sent
protect((req) => req.body.amount);
`;

/** Blocks of a page, by the file that the line above names, else by their number. */
function snippetsOf(page: string): (readonly [file: string, text: string])[] {
  const text = readFileSync(join(root, `docs/guide/${page}.md`), "utf8");
  const blocks = [...text.matchAll(/(?:^`([\w./-]+)`\n\n)?^```(?:js|ts)\n([\s\S]*?)^```$/gm)];
  return blocks.map(([, name, code], i) => [`${page}/${name ?? `block-${i + 1}.ts`}`, `${code}`]);
}

const pages = {
  express: 1,
  fastify: 1,
  hono: 1,
  node: 2,
  fetch: 1,
  nextjs: 9,
  websockets: 2,
  "protect-an-api-with-tokens": 3,
  tokens: 3,
  "verification-rules": 1,
  "trust-feed": 3,
  "revoke-everywhere": 1,
};
let messages: string;

beforeAll(async () => {
  symlinkSync(join(root, "node_modules"), join(project, "node_modules"));
  write("tsconfig.json", JSON.stringify(settings));
  write("next.d.ts", next);
  write("users.ts", users);
  for (const page of Object.keys(pages)) for (const [file, text] of snippetsOf(page)) write(file, text);
  const compiler = join(root, "node_modules/typescript/bin/tsc");
  const run = promisify(execFile)(process.execPath, [compiler, "-p", project]);
  messages = await run.then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  );
});

afterAll(() => rmSync(project, { recursive: true }));

test.each(Object.entries(pages))(
  "the TypeScript of the page %s compiles as it stands there",
  (page, blocks) => {
    expect(snippetsOf(page)).toHaveLength(blocks);
    expect(messages.split("\n").filter((line) => line.includes(`${page}/`))).toEqual([]);
  },
);

test("handlers know the body's types, over HTTP/2 and beside the declarations of others, and all declarations hold", () => {
  expect(messages).toBe("");
});
