import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  buildCanonicalString,
  canonicalTarget,
  deviceIdOf,
  fromBase64,
  normalizeHost,
  signRequest,
} from "@authmesh/core";
import { describe, expect, it } from "vitest";
import { makeRequestVectors, type RequestVectors } from "./make-vectors.js";
import { verdictOn } from "./verdict.js";

const file = fileURLToPath(new URL("vectors/request-1.json", import.meta.url));
const made = makeRequestVectors();
const vectors: RequestVectors = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : made;
const [caller] = vectors.keys as [RequestVectors["keys"][0]];
const [first] = vectors.requests as [RequestVectors["requests"][0]];

it("the file of vectors is what it is made of", async () => {
  await expect(`${JSON.stringify(made, null, 2)}\n`).toMatchFileSnapshot(file);
});

describe("core agrees with the vectors", () => {
  it.each(vectors.keys)("on the device id $deviceId", ({ publicKey, deviceId }) => {
    expect(deviceIdOf(fromBase64(publicKey) as Uint8Array)).toBe(deviceId);
  });

  it.each(vectors.targets)("on the canonical form of $target", async ({ target, canonical }) => {
    expect(canonicalTarget(target)).toBe(canonical);
    // If it is refused, then for not being the one that was signed.
    expect(["accepted", "signature_invalid"]).toContain(await verdictOn({ ...first, target }, caller));
  });

  it.each(vectors.refusedTargets)("on refusing the target %j", async (target) => {
    expect(await verdictOn({ ...first, target }, caller)).toBe("malformed_target");
  });

  it.each(vectors.hosts)("on the host $host", ({ host, normal }) => {
    expect(normalizeHost(host) ?? null).toBe(normal);
  });

  it.each(vectors.bindings)("on the nonce for $host, $contentType, $contentEncoding", async (binding) => {
    const authorization = await signRequest(
      {
        method: "POST",
        url: new URL(`http://${binding.host}/`),
        body: "x",
        contentType: binding.contentType,
        contentEncoding: binding.contentEncoding,
      },
      {
        key: caller.publicKey,
        sign: async () => new Uint8Array(64),
        random: () => Uint8Array.from(Buffer.from(binding.random, "hex")),
      },
    );
    expect(authorization).toContain(`nonce="${binding.nonce}"`);
  });

  it.each(vectors.requests.filter(({ expected }) => expected === "accepted"))(
    "on what is signed of $name",
    ({ method, target, authorization, body = "", signed }) => {
      const [, timestamp = "", nonce = ""] = /ts="(\d+)",nonce="([^"]+)"/.exec(authorization) ?? [];
      const bytes = fromBase64(body) as Uint8Array;
      expect(buildCanonicalString(method, target, timestamp, nonce, bytes)).toBe(signed);
    },
  );

  it.each(vectors.requests)("on the request: $name: $expected", async (request) => {
    expect(await verdictOn(request, caller)).toBe(request.expected);
  });

  it.each(vectors.headers)("on the header: $name: $expected", async ({ authorization, expected }) => {
    expect(await verdictOn({ ...first, authorization }, caller)).toBe(expected);
  });
});
