import { PrivateKey } from "@authmesh/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createStatelessAttestationVerifier } from "../src/attestation.js";
import { readChallenge } from "../src/tpm/attestation/messages.js";
import { now, refusalOf, withCertificates } from "./attestation-fixture.js";
import { attestationScene, edited } from "./attestation-scene.js";

const { newDevice, pem } = attestationScene();
const seed = new Uint8Array(32).fill(7);
const newVerifier = (roots = [pem("maker")]) => createStatelessAttestationVerifier({ roots, now });

it("is checked by another process than the one that asked", async () => {
  const { key, claim, answer } = await newDevice();
  const of = { claim, publicKey: key, seed };
  const answered = await answer(newVerifier().challenge(of));
  expect(newVerifier().check(of, answered)).toMatchObject({ proven: true, manufacturer: "INTC" });
});

it("asks the same of the same claim and seed, and something else of each other one", async () => {
  const { key, claim } = await newDevice();
  const ask = (of: object) => {
    const { id, nonce } = readChallenge(newVerifier().challenge({ claim, publicKey: key, seed, ...of }));
    return `${id} ${nonce}`;
  };
  const asked = [ask({}), ask({ seed: new Uint8Array(32) }), ask({ claim: withCertificates(claim) })];
  expect(new Set(asked).size).toBe(3);
  expect(ask({})).toBe(asked[0]);
});

it("is not proven by what another endorsement key gave out", async () => {
  const { key, claim, answer } = await newDevice();
  const verifier = newVerifier();
  const real = { claim, publicKey: key, seed };
  const made = { ...real, claim: withCertificates(claim) };
  const { id } = readChallenge(verifier.challenge(real));
  const moved = edited(await answer(verifier.challenge(made)), (message) => Object.assign(message, { id }));
  expect(await refusalOf(() => verifier.check(real, moved))).toMatch(/step "secret"/);
});

it("is refused with another seed, for another key, and without a root that is known", async () => {
  const { key, claim, answer } = await newDevice();
  const verifier = newVerifier();
  const of = { claim, publicKey: key, seed };
  const answered = await answer(verifier.challenge(of));
  const refusal = (change: object, by = verifier) =>
    refusalOf(() => by.check({ ...of, ...change }, answered));
  expect(await refusal({ seed: new Uint8Array(32) })).toMatch(/step "challenge"/);
  expect(await refusal({ publicKey: PrivateKey.generate().publicKey })).toMatch(/step "key"/);
  expect(await refusal({}, newVerifier([]))).toMatch(/step "chain": no known root/);
});

it("refuses whatever text comes, or reads it", async () => {
  const { key, claim, answer } = await newDevice();
  const verifier = newVerifier();
  const good = { claim, publicKey: key, seed };
  const answered = await answer(verifier.challenge(good));
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    fc
      .tuple(fc.constantFrom(claim, answered), fc.nat(), fc.string({ maxLength: 3 }))
      .map(([text, at, put]) => {
        const place = at % text.length;
        return text.slice(0, place) + put + text.slice(place + 1);
      }),
  );
  await fc.assert(
    fc.asyncProperty(texts, async (text) => {
      await refusalOf(() => verifier.challenge({ ...good, claim: text }));
      await refusalOf(() => verifier.check({ ...good, claim: text }, answered));
      await refusalOf(() => verifier.check(good, text));
    }),
    { numRuns: 100 },
  );
});
