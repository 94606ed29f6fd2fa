import { describe, expect, it } from "vitest";
import {
  AmeshError,
  type HttpRequestSigner,
  RequestReader,
  SessionKey,
  sha256Hex,
  signHttpRequest,
} from "../src/index.js";
import { laptop, noon, receive, type Wire, withHeaders } from "./verification-fixture.js";

const authorization = "OathMesh abc.def.ghi";
const body = '{"amount":100}';
const reader = (options: ConstructorParameters<typeof RequestReader>[0] = {}) =>
  new RequestReader({ audience: "api.example.com", now: () => noon * 1000, ...options });

/** A request whose signature goes by its key and covers Authorization. */
async function send(changes: Partial<HttpRequestSigner> = {}): Promise<Wire> {
  const signer = {
    publicKey: laptop.publicKey,
    sign: laptop.sign,
    authorization,
    now: () => noon * 1000,
    ...changes,
  };
  const url = new URL("https://api.example.com/api/orders?b=2");
  const proof = await signHttpRequest({ method: "POST", url, body, contentType: "application/json" }, signer);
  const headers = Object.entries(proof).map(([name, value]) => [name.toLowerCase(), [value]]);
  return {
    method: "POST",
    target: "/api/orders?b=2",
    body: new TextEncoder().encode(body),
    headers: {
      host: ["api.example.com"],
      "content-type": ["application/json"],
      authorization: [authorization],
      ...Object.fromEntries(headers),
    },
  };
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "fine",
    (error) => (error instanceof AmeshError ? error.code : Promise.reject(error)),
  );

describe("the proof by a key that goes by itself", () => {
  it("gives key, nonce and times of the signature, of a device's key or a session's", async () => {
    const proof = await reader().keyProof(receive(await send()));
    expect(proof).toMatchObject({ created: noon, expires: noon + 60 });
    expect(proof.key.base64).toBe(laptop.publicKey.base64);
    expect(proof.nonce).toHaveLength(22);
    const session = SessionKey.generate();
    const wire = await send({ publicKey: session.publicKey, sign: async (message) => session.sign(message) });
    expect((await reader().keyProof(receive(wire))).key.base64).toBe(session.publicKey.base64);
  });

  it.each<[string, (wire: Wire) => Wire, string]>([
    [
      "another token",
      (wire) => withHeaders(wire, { authorization: ["OathMesh x.y.z"] }),
      "signature_invalid",
    ],
    ["no token", (wire) => withHeaders(wire, { authorization: [] }), "malformed_header"],
    ["another method", (wire) => ({ ...wire, method: "PUT" }), "signature_invalid"],
    ["another target", (wire) => ({ ...wire, target: "/api/orders?b=3" }), "signature_invalid"],
    ["another body", (wire) => ({ ...wire, body: new TextEncoder().encode("{}") }), "signature_invalid"],
    ["another host", (wire) => withHeaders(wire, { host: ["other.example.com"] }), "fine"],
    [
      "no signature",
      (wire) => withHeaders(wire, { "signature-input": [], signature: [] }),
      "malformed_header",
    ],
    ["a target that reads in two ways", (wire) => ({ ...wire, target: "/a/../b" }), "malformed_target"],
  ])("with %s is: %s", async (_, change, code) => {
    expect(await codeOf(reader().keyProof(receive(change(await send()))))).toBe(code);
  });

  it.each<[string, Partial<HttpRequestSigner>, string]>([
    ["without authorization among what it covers", { authorization: undefined }, "coverage_incomplete"],
    ["by a device's id", { publicKey: undefined, deviceId: laptop.publicKey.deviceId }, "malformed_header"],
    ["of the future", { now: () => (noon + 31) * 1000 }, "clock_skew"],
    ["that is over", { now: () => (noon - 91) * 1000 }, "clock_skew"],
  ])("%s is refused: %s", async (_, changes, code) => {
    expect(await codeOf(reader().keyProof(receive(await send(changes))))).toBe(code);
  });

  it("is refused for a host that is not in the audience, and without any audience only for another than named", async () => {
    const wire = await send();
    expect(await codeOf(reader({ audience: "other.example.com" }).keyProof(receive(wire)))).toBe(
      "host_mismatch",
    );
    expect(await codeOf(reader({ audience: undefined }).keyProof(receive(wire)))).toBe("fine");
  });

  it("is refused with a keyid that is no point of the curve", async () => {
    const wire = await send();
    const [input = ""] = wire.headers["signature-input"] ?? [];
    const broken = input.replace(/keyid="[^"]+"/, `keyid="${"A".repeat(44)}"`);
    expect(await codeOf(reader().keyProof(receive(withHeaders(wire, { "signature-input": [broken] }))))).toBe(
      "invalid_public_key",
    );
  });

  it("wants a signer that has a name", async () => {
    await expect(send({ publicKey: undefined })).rejects.toThrow(TypeError);
  });
});

describe("the parts of a request", () => {
  it("are as its caller made them, with the prefix that a proxy took off", async () => {
    const prefixed = reader({ pathPrefix: "/v1" });
    expect(await prefixed.parts(prefixed.whole(receive(await send())))).toEqual({
      method: "POST",
      target: "/v1/api/orders?b=2",
      hosts: ["api.example.com"],
      contentType: "application/json",
      bodyHash: sha256Hex(body),
    });
  });

  it("are those of nothing where there is no body, and keep a content type that came all the same", async () => {
    const wire = { ...(await send()), body: undefined };
    const { bodyHash, contentType } = await reader().parts(receive(wire));
    expect([bodyHash, contentType]).toEqual([sha256Hex(""), "application/json"]);
  });

  it.each<[string, Wire["headers"], string]>([
    ["two content types", { "content-type": ["a/b", "c/d"] }, "malformed_header"],
    ["two hosts", { host: ["api.example.com", "b"] }, "malformed_header"],
    ["a body that is too long", { "content-length": ["9999999"] }, "payload_too_large"],
    ["a compressed body", { "content-encoding": ["gzip"] }, "unsupported_content_encoding"],
    ["another path for the router", { "x-original-url": ["/admin"] }, "malformed_target"],
  ])("are refused with %s", async (_, headers, code) => {
    expect(await codeOf(reader().parts(receive(withHeaders(await send(), headers))))).toBe(code);
  });
});
