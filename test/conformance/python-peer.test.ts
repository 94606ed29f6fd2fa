import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PrivateKey, signRequest } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { RequestVectors } from "./make-vectors.js";
import { askPython } from "./python-peer.js";
import { type Arriving, verdictOn } from "./verdict.js";

interface Found {
  readonly ok: boolean;
  readonly malformed?: true;
  readonly deviceId?: string;
  readonly canonical?: string;
  readonly signed?: boolean;
  readonly bound?: boolean;
}
interface Call {
  readonly method: string;
  readonly url: string;
  /** Base64. */
  readonly body?: string;
  readonly contentType?: string;
  readonly contentEncoding?: string;
}

const base64 = (text: string) => Buffer.from(text).toString("base64");
const json: Call = {
  method: "POST",
  url: "https://api.example.com/api/orders?b=2&a=1",
  contentType: "application/json",
  body: base64('{"amount":100}'),
};
const calls: readonly (readonly [string, Call])[] = [
  ["POST of JSON", json],
  ["GET", { method: "GET", url: "http://localhost:3000/" }],
  ["an empty query", { method: "GET", url: "http://localhost:3000/?" }],
  ["a default port", { ...json, url: "https://api.example.com:443/" }],
  ["an IPv6 host", { ...json, url: "http://[::1]:3000/p??a" }],
  ["a host in capitals with a dot", { ...json, url: "https://API.example.com./" }],
  ["a content encoding", { ...json, contentEncoding: "identity" }],
  ["bytes and no content type", { method: "PUT", url: json.url, body: "AP+ACg==" }],
];

/** Queries with everything in them that the two sides could spell differently. */
const queries = fc.sample(
  fc
    .array(
      fc.oneof(
        fc.constantFrom(
          "a",
          "b",
          "=",
          "&",
          "+",
          "%20",
          "%2B",
          "%26",
          "~",
          "*",
          "'",
          "!",
          ";",
          "?",
          "/",
          "%25",
        ),
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 2 }).map(encodeURIComponent),
      ),
      { maxLength: 12 },
    )
    .map((parts) => parts.join("")),
  { numRuns: 200, seed: 1 },
);

/** What a server sees of a call. */
function arriving({ url: text, ...call }: Call, authorization: string, now: number): Arriving {
  const url = new URL(text);
  const host = url.host.replace(/\.$/, "");
  return { ...call, now, audience: host, host: url.host, target: url.pathname + url.search, authorization };
}

describe("a request signed in Python from the document alone", async () => {
  const sign = async (requests: readonly Call[]) => {
    const answers = await askPython<{ publicKey: string; authorization: string }>(["sign"], requests);
    return answers.map(({ publicKey, authorization }, i) => {
      const now = Number(/ts="(\d+)"/.exec(authorization)?.[1]);
      return { key: { publicKey }, request: arriving(requests[i] as Call, authorization, now) };
    });
  };
  const signedCalls = await sign(calls.map(([, call]) => call));

  it.each(calls.map(([name], i) => [name, i] as const))("is accepted: %s", async (_, i) => {
    const { key, request } = signedCalls[i] as (typeof signedCalls)[0];
    expect(await verdictOn(request, key)).toBe("accepted");
  });

  it("is accepted whatever its query", async () => {
    const url = (query: string) => `http://localhost:3000/p?${query}`;
    const signed = await sign(queries.map((query) => ({ method: "GET", url: url(query) })));
    for (const { key, request } of signed) {
      expect([request.target, await verdictOn(request, key)]).toEqual([request.target, "accepted"]);
    }
  });

  it.each<[string, Partial<Arriving>, string]>([
    ["another body", { body: base64('{"amount":900}') }, "signature_invalid"],
    ["another method", { method: "PUT" }, "signature_invalid"],
    ["another path", { target: "/api/refunds?b=2&a=1" }, "signature_invalid"],
    ["another query", { target: "/api/orders?b=2&a=2" }, "signature_invalid"],
    ["another content type", { contentType: "text/plain" }, "host_mismatch"],
    ["another server", { audience: "billing.example.com" }, "host_mismatch"],
    ["another server and its Host", { audience: "b.example", host: "b.example" }, "host_mismatch"],
  ])("is refused after it was changed on the way: %s", async (_, change, expected) => {
    const [{ key, request }] = signedCalls as [(typeof signedCalls)[0]];
    expect(await verdictOn({ ...request, ...change }, key)).toBe(expected);
  });
});

describe("a request sent from Python", () => {
  it("is accepted over HTTP, under a key that was told before", async () => {
    const folder = mkdtempSync(join(tmpdir(), "amesh-peer-"));
    const server = createServer(async (request, response) => {
      const chunks = await request.toArray();
      const { host = "", authorization = "", "content-type": contentType } = request.headers;
      const verdict = await verdictOn(
        {
          now: Math.floor(Date.now() / 1000),
          audience: `127.0.0.1:${(server.address() as AddressInfo).port}`,
          method: request.method as string,
          target: request.url as string,
          host,
          authorization,
          ...(contentType === undefined ? {} : { contentType }),
          ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks).toString("base64") }),
        },
        { publicKey },
      );
      response.writeHead(verdict === "accepted" ? 200 : 401).end(verdict);
    });
    const key = ["--key", join(folder, "key.pem")];
    const [{ publicKey }] = (await askPython(["key", ...key])) as [{ publicKey: string }];
    try {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/orders?b=2&a=1`;
      const { url: _, ...post } = json;
      const requests = [post, { ...post, contentType: undefined }, { method: "GET" }];
      const accepted = requests.map(() => ({ status: 200, body: "accepted" }));
      expect(await askPython([...key, "call", url], requests)).toEqual(accepted);
      expect(await askPython(["call", url], requests.slice(2))).toEqual([
        { status: 401, body: "device_unknown" },
      ]);
    } finally {
      server.close();
      rmSync(folder, { recursive: true });
    }
  });
});

describe("a request signed by core", () => {
  const key = PrivateKey.generate();
  const sign = async (call: Call): Promise<Arriving> => {
    const authorization = await signRequest(
      { ...call, url: new URL(call.url), body: call.body && Buffer.from(call.body, "base64") },
      { key: key.publicKey.base64, sign: async (message) => key.sign(message) },
    );
    return arriving(call, authorization, 0);
  };
  const verify = (requests: readonly Arriving[]) => askPython<Found>(["verify"], requests);

  it("is verified in Python, and seen there as it is seen here", async () => {
    const requests = await Promise.all(calls.map(([, call]) => sign(call)));
    for (const found of await verify(requests)) {
      expect(found).toMatchObject({ ok: true, signed: true, bound: true, deviceId: key.publicKey.deviceId });
    }
  });

  it("is verified in Python whatever its query", async () => {
    const requests = await Promise.all(
      queries.map((query) => sign({ method: "GET", url: `http://localhost:3000/p?${query}` })),
    );
    for (const [i, found] of (await verify(requests)).entries()) {
      expect([requests[i]?.target, found.ok]).toEqual([requests[i]?.target, true]);
    }
  });

  it.each<[string, Partial<Arriving>, Partial<Found>]>([
    ["another body", { body: base64('{"amount":900}') }, { signed: false, bound: true }],
    ["another method", { method: "PUT" }, { signed: false, bound: true }],
    ["another path", { target: "/api/refunds?b=2&a=1" }, { signed: false, bound: true }],
    ["a second question mark", { target: "/api/orders??b=2&a=1" }, { signed: false, bound: true }],
    ["another content type", { contentType: "text/plain" }, { signed: true, bound: false }],
    ["another server", { audience: "billing.example.com" }, { signed: true, bound: false }],
    ["another version", { authorization: 'AuthMesh v="2"' }, { malformed: true }],
  ])("is refused in Python after it was changed on the way: %s", async (_, change, expected) => {
    expect(await verify([{ ...(await sign(json)), ...change }])).toEqual([
      expect.objectContaining({ ok: false, ...expected }),
    ]);
  });
});

describe("the vectors", async () => {
  const file = new URL("vectors/request-1.json", import.meta.url);
  const { keys, requests, targets } = JSON.parse(readFileSync(file, "utf8")) as RequestVectors;
  const verdicts = requests.filter(({ expected }) =>
    ["accepted", "host_mismatch", "signature_invalid"].includes(expected),
  );
  const found = await askPython<Found>(["verify"], verdicts);

  it.each(verdicts.map((vector, i) => [vector.name, vector.expected, vector, found[i]] as const))(
    "mean the same in Python: %s: %s",
    (_, expected, vector, seen) => {
      expect(seen?.deviceId).toBe(keys[0]?.deviceId);
      if (expected === "accepted") expect(seen).toMatchObject({ ok: true, canonical: vector.signed });
      if (expected === "host_mismatch") expect(seen).toMatchObject({ ok: false, bound: false });
      if (expected === "signature_invalid") expect(seen).toMatchObject({ ok: false, signed: false });
    },
  );

  it("have the same canonical targets in Python", async () => {
    const [first] = requests as [RequestVectors["requests"][0]];
    const seen = await askPython<Found>(
      ["verify"],
      targets.map(({ target }) => ({ ...first, target })),
    );
    expect(seen.map(({ canonical }) => canonical?.split("\n")[2])).toEqual(
      targets.map(({ canonical }) => canonical),
    );
  });
});
