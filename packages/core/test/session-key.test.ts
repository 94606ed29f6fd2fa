import { describe, expect, it } from "vitest";
import { SessionKey, verifyMessage } from "../src/index.js";
import { signableDelegationProof, signableJws, signableProbe } from "../src/signable.js";

describe("a session key", () => {
  it("signs requests, and that it takes part in a delegation", () => {
    const key = SessionKey.generate();
    for (const message of [signableProbe(), signableDelegationProof("am_a", "b", 1)]) {
      expect(verifyMessage(key.sign(message), message, key.publicKey.bytes)).toBe(true);
    }
  });

  it("signs no JWS: the compiler refuses, so that it delegates nothing", () => {
    const jws = signableJws("amesh-delegation+jwt", "ES256", "am_a", {});
    // @ts-expect-error what only a device's key signs
    expect(() => SessionKey.generate().sign(jws)).not.toThrow();
  });

  it("is another one every time", () => {
    const keys = Array.from({ length: 10 }, () => SessionKey.generate().publicKey.base64);
    expect(new Set(keys).size).toBe(10);
  });

  it("signs nothing once it was forgotten", () => {
    const key = SessionKey.generate();
    key.forget();
    expect(() => key.sign(signableProbe())).toThrow(TypeError);
  });
});
