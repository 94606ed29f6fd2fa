import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PrivateKey } from "@authmesh/core";
import { createClient, type SignedInit } from "@authmesh/sdk";
import { describe, expect, it } from "vitest";
import { type HttpSignatureVectors, makeHttpSignatureVectors } from "./make-http-signature-vectors.js";
import { askPython } from "./python-peer.js";
import { verdictOn } from "./verdict.js";

const file = fileURLToPath(new URL("vectors/http-signature-1.json", import.meta.url));
const made = makeHttpSignatureVectors();
const vectors: HttpSignatureVectors = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : made;

it("the file of vectors is what it is made of", async () => {
  await expect(`${JSON.stringify(made, null, 2)}\n`).toMatchFileSnapshot(file);
});

describe("core agrees with the vectors", () => {
  it.each(vectors.requests)("on the HTTP signature with $name: $expected", async (request) => {
    expect(await verdictOn(request, vectors.device)).toBe(request.expected);
  });
});

describe("a reader in Python, written from docs/protocol.md, section 3, alone", () => {
  const ask = (lines: readonly object[]) => askPython<{ ok: boolean }>([], lines, "read_http_signature.py");

  it("agrees with the vectors", async () => {
    const { publicKey } = vectors.device;
    const answers = await ask(vectors.requests.map((request) => ({ ...request, publicKey })));
    expect(answers.map(({ ok }) => ok)).toEqual(
      vectors.requests.map(({ expected }) => expected === "accepted"),
    );
  });

  it("reads what createClient sends", async () => {
    const device = PrivateKey.generate();
    const seen: SignedInit[] = [];
    const client = createClient({
      identity: { publicKey: device.publicKey, sign: async (message) => device.sign(message) },
      scheme: "http-signature",
      fetch: async (_, init) => {
        seen.push(init);
        return new Response();
      },
    });
    const url = "https://api.example.com/api/orders";
    await client.fetch(url);
    await client.fetch(`${url}?b=2&a=%20`, { method: "POST", body: "grüße" });
    const [bare, full] = seen.map(({ method, headers }, i) => ({
      publicKey: device.publicKey.base64,
      now: Math.floor(Date.now() / 1000),
      audience: "api.example.com",
      method,
      target: i === 0 ? "/api/orders" : "/api/orders?b=2&a=%20",
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
      ),
      ...(i === 0 ? {} : { body: Buffer.from("grüße").toString("base64") }),
    }));
    expect(
      await ask([bare ?? {}, full ?? {}, { ...full, method: "PUT" }, { ...full, audience: "b" }]),
    ).toEqual([{ ok: true }, { ok: true }, { ok: false }, { ok: false }]);
  });
});
