import { Readable } from "node:stream";
import { amesh, createClient, type SignedInit } from "@authmesh/sdk";
import express from "express";
import { describe, expect, test } from "vitest";
import { MemoryTrust, makeIdentity, silent } from "./fixtures/pair.js";
import { serve } from "./fixtures/servers.js";

const caller = makeIdentity();
const client = createClient({ identity: caller });

/** A server that verifies and answers with what it read. */
async function echoServer(prepare: (app: express.Express) => void = () => {}) {
  const trust = new MemoryTrust().trust(caller);
  const app = express();
  prepare(app);
  app.use(amesh.verify({ allowList: trust, logger: silent }));
  app.use((req, res) => {
    const { rawBody } = req as unknown as { rawBody?: Buffer };
    res.json({
      method: req.method,
      url: req.originalUrl,
      type: req.headers["content-type"],
      body: rawBody?.toString("latin1"),
    });
  });
  const server = await serve(app);
  trust.audience = [server.host];
  return server;
}

describe("amesh.fetch takes what fetch takes", () => {
  const inputs: [string, (url: string) => [string | URL | Request, RequestInit?], object][] = [
    ["a string", (url) => [`${url}/a?x=1&b=%20&b=`], { method: "GET", url: "/a?x=1&b=%20&b=" }],
    ["a URL", (url) => [new URL("/a/b c", url)], { url: "/a/b%20c" }],
    ["a URL with a fragment", (url) => [`${url}/a#part`], { url: "/a" }],
    ["a path with dots, made plain first", (url) => [`${url}/a/../b/./c`], { url: "/b/c" }],
    [
      "a Request",
      (url) => [new Request(`${url}/r`, { method: "PUT", body: "x" })],
      { method: "PUT", body: "x" },
    ],
    [
      "a Request and an init that overrides it",
      (url) => [new Request(`${url}/r`), { method: "POST", body: "y" }],
      { method: "POST", body: "y" },
    ],
    ["a lower-case method", (url) => [url, { method: "post", body: "x" }], { method: "POST" }],
    ["PATCH", (url) => [url, { method: "PATCH", body: "x" }], { method: "PATCH", body: "x" }],
    [
      "headers as pairs",
      (url) => [url, { method: "POST", body: "{}", headers: [["content-type", "application/json"]] }],
      { type: "application/json" },
    ],
    [
      "Headers",
      (url) => [
        url,
        { method: "POST", body: "{}", headers: new Headers({ "Content-Type": "application/json" }) },
      ],
      { type: "application/json" },
    ],
    [
      "a string body",
      (url) => [url, { method: "POST", body: "ü" }],
      { body: "Ã¼", type: "text/plain;charset=UTF-8" },
    ],
    [
      "an ArrayBuffer",
      (url) => [url, { method: "POST", body: Uint8Array.of(1, 255).buffer }],
      { body: "\u0001ÿ" },
    ],
    [
      "a view into a larger buffer",
      (url) => [
        url,
        { method: "POST", body: Buffer.from("abcdef").subarray(2, 4) as Uint8Array<ArrayBuffer> },
      ],
      { body: "cd" },
    ],
    [
      "a Blob",
      (url) => [url, { method: "POST", body: new Blob(["b"], { type: "text/x-b" }) }],
      { body: "b", type: "text/x-b" },
    ],
    [
      "URLSearchParams",
      (url) => [url, { method: "POST", body: new URLSearchParams({ a: "ü" }) }],
      { body: "a=%C3%BC" },
    ],
    [
      "a ReadableStream",
      (url) => [url, { method: "POST", body: new Blob(["s"]).stream(), duplex: "half" } as RequestInit],
      { body: "s" },
    ],
    [
      "a Node stream",
      (url) => [url, { method: "POST", body: Readable.from(["n", "s"]) as unknown as BodyInit }],
      { body: "ns" },
    ],
    [
      "an async generator",
      (url) => [url, { method: "POST", body: generate() as unknown as BodyInit }],
      { body: "xyz" },
    ],
    [
      "something that becomes text",
      (url) => [url, { method: "POST", body: 42 as unknown as BodyInit }],
      { body: "42" },
    ],
  ];

  async function* generate() {
    yield "x";
    yield new TextEncoder().encode("yz");
  }

  test.each(inputs)("%s", async (_, make, expected) => {
    const { url } = await echoServer();
    const response = await client.fetch(...make(url));
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject(expected);
  });

  test("a FormData, with its boundary signed", async () => {
    const { url } = await echoServer();
    const body = new FormData();
    body.set("a", new Blob(["file"]), "f.txt");
    const answer = (await (await client.fetch(url, { method: "POST", body })).json()) as {
      type: string;
      body: string;
    };
    expect(answer.type).toMatch(/^multipart\/form-data; boundary=/);
    expect(answer.body).toContain('filename="f.txt"');
  });

  test("an abort signal, also one inside of a Request", async () => {
    const { url } = await echoServer();
    await expect(client.fetch(url, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/i);
    await expect(client.fetch(new Request(url, { signal: AbortSignal.abort() }))).rejects.toThrow(/abort/i);
  });
});

test("a signal ends the wait for a body that never comes", async () => {
  for (const make of [
    (body: BodyInit, signal: AbortSignal) =>
      client.fetch("http://a.example", { method: "POST", body, signal, duplex: "half" } as RequestInit),
    (body: BodyInit, signal: AbortSignal) =>
      client.fetch(
        new Request("http://a.example", { method: "POST", body, signal, duplex: "half" } as RequestInit),
      ),
  ]) {
    const controller = new AbortController();
    const answer = make(new ReadableStream() as BodyInit, controller.signal);
    controller.abort(new Error("enough"));
    await expect(answer).rejects.toThrow("enough");
  }
});

test("what fetch does not know, such as a dispatcher, goes along with a Request too", async () => {
  const seen: unknown[] = [];
  const fetch = async (_: string, init: SignedInit) => {
    seen.push((init as { dispatcher?: unknown }).dispatcher);
    return new Response();
  };
  const signing = createClient({ identity: caller, fetch });
  const dispatcher = {};
  await signing.fetch("http://a.example/", { dispatcher } as RequestInit);
  await signing.fetch(new Request("http://a.example/"), { dispatcher } as RequestInit);
  expect(seen).toEqual([dispatcher, dispatcher]);
});

test("two spellings of a header are signed as the one value that is sent", async () => {
  const { url } = await echoServer();
  const headers = { "content-type": "a/b", "Content-Type": "c/d", "x-none": undefined as unknown as string };
  const response = await client.fetch(url, { method: "POST", body: "x", headers });
  expect(await response.json()).toMatchObject({ type: "a/b, c/d" });
});

test("every request is signed anew", async () => {
  const seen: string[] = [];
  const fetch = async (_: string, init: SignedInit) => {
    seen.push(init.headers["Authorization"] as string);
    return new Response();
  };
  const signing = createClient({ identity: caller, fetch });
  await signing.fetch("http://a.example/");
  await signing.fetch("http://a.example/");
  expect(new Set(seen).size).toBe(2);
});

test("a buffer that is changed while it is being sent is sent as it was signed", async () => {
  const { url } = await echoServer();
  const body = new TextEncoder().encode("before");
  const response = client.fetch(url, { method: "POST", body });
  body.fill(0x78);
  expect(await (await response).json()).toMatchObject({ body: "before" });
});

describe("redirects", () => {
  const redirect = (status: number, to: string) => (app: express.Express) => {
    app.all("/from", (_req, res) => res.redirect(status, to));
  };

  test.each([
    [301, "GET"],
    [302, "GET"],
    [303, "GET"],
    [307, "POST"],
    [308, "POST"],
  ])("%i within one origin is signed anew and followed with %s", async (status, method) => {
    const { url } = await echoServer(redirect(status, "/to?x=1"));
    const response = await client.fetch(`${url}/from`, {
      method: "POST",
      body: "b",
      headers: { "Content-Type": "text/b" },
    });
    const answer = await response.json();
    expect(answer).toMatchObject(
      method === "POST" ? { method, url: "/to?x=1", body: "b", type: "text/b" } : { method, url: "/to?x=1" },
    );
  });

  test("to another origin they are refused, and the other origin sees nothing", async () => {
    const seen: unknown[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers);
      response.end();
    });
    for (const to of [`${other.url}/`, `//${other.host}/`, "https://127.0.0.1/", "http://[bad"]) {
      const { url } = await echoServer(redirect(307, to));
      await expect(client.fetch(`${url}/from`, { method: "POST", body: "b" })).rejects.toMatchObject({
        code: "redirect_refused",
      });
    }
    expect(seen).toEqual([]);
  });

  test("without end they are refused", async () => {
    const { url } = await echoServer(redirect(307, "/from"));
    await expect(client.fetch(`${url}/from`)).rejects.toMatchObject({ code: "redirect_refused" });
  });

  test('are handed back with redirect: "manual" and an error with "error"', async () => {
    const { url } = await echoServer(redirect(302, "/to"));
    expect((await client.fetch(`${url}/from`, { redirect: "manual" })).status).toBe(302);
    await expect(client.fetch(`${url}/from`, { redirect: "error" })).rejects.toThrow(TypeError);
  });
});

describe("what cannot be signed is refused before it is sent", () => {
  test("a stream longer than the limit", async () => {
    const small = createClient({
      identity: caller,
      maxBodyBytes: 3,
      fetch: () => Promise.reject(new Error("was sent")),
    });
    const body = new Blob(["four"]).stream() as unknown as BodyInit;
    await expect(small.fetch("http://a.example", { method: "POST", body })).rejects.toMatchObject({
      code: "body_too_large_to_sign",
    });
  });

  test("a path that no verifier accepts", async () => {
    await expect(client.fetch("http://a.example//x")).rejects.toMatchObject({ code: "malformed_target" });
    await expect(client.fetch("http://a.example/?q=%ff")).rejects.toMatchObject({ code: "malformed_target" });
  });

  test("a request that brings its own Authorization", async () => {
    await expect(
      client.fetch("http://a.example", { headers: { authorization: "Bearer x" } }),
    ).rejects.toThrow(TypeError);
  });

  test("a relative URL", async () => {
    await expect(client.fetch("/path")).rejects.toThrow(TypeError);
  });

  test("anything, after close", async () => {
    const closing = createClient({ identity: caller });
    await closing.close();
    await expect(closing.fetch("http://127.0.0.1:1")).rejects.toThrow(TypeError);
  });

  test("anything, without an identity", async () => {
    const nobody = createClient({ dir: "/nonexistent/amesh" });
    await expect(nobody.fetch("http://127.0.0.1:1")).rejects.toMatchObject({ code: "identity_not_found" });
  });
});
