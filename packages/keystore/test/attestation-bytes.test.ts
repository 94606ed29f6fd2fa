import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { kindNames } from "../src/tpm/attestation/endorsement-key.js";
import { refusalOf, withCertificates } from "./attestation-fixture.js";
import { attestationScene, edited } from "./attestation-scene.js";

const { newDevice, newVerifier } = attestationScene();

describe("whatever the bytes", () => {
  const mutation = fc.tuple(
    fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    fc.nat(8),
    fc.string({ maxLength: 6 }),
  );
  const mutate = (text: string, [at, cut, put]: [number, number, string]) => {
    const index = Math.floor(at * text.length);
    return text.slice(0, index) + put + text.slice(index + cut);
  };

  it("a claim yields a challenge or is refused", async () => {
    const { claim, key } = await newDevice();
    const bare = withCertificates(claim);
    const verifier = newVerifier({ maxOpen: 100_000 });
    const texts = fc.oneof(
      fc.json(),
      fc.string(),
      fc.tuple(fc.constantFrom(claim, bare), mutation).map(([text, by]) => mutate(text, by)),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        await refusalOf(() => verifier.challenge(text, key));
      }),
      { numRuns: 500 },
    );
  });

  it("a claim with any byte of its public areas changed is refused, by the verifier or by the TPM", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier({ maxOpen: 100_000 });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("key", "attestationKey", "endorsementKey"),
        fc.nat(500),
        fc.integer({ min: 1, max: 255 }),
        async (member, at, flip) => {
          const changed = edited(claim, (message) => {
            const area = Buffer.from(String(message[member]), "base64url");
            area[at % area.length] = (area[at % area.length] as number) ^ flip;
            message[member] = area.toString("base64url");
          });
          const outcome = await refusalOf(async () =>
            verifier.check(await answer(verifier.challenge(changed, key))),
          );
          expect(outcome).not.toBe("no refusal");
        },
      ),
      { numRuns: 150 },
    );
  });

  it("an answer with any byte changed is refused", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier({ maxOpen: 100_000, random: (length) => new Uint8Array(length).fill(7) });
    const answered = await answer(verifier.challenge(claim, key));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("secret", "statement", "signature"),
        fc.nat(500),
        fc.integer({ min: 1, max: 255 }),
        async (member, at, flip) => {
          verifier.challenge(claim, key); // the same one, open again
          const changed = edited(answered, (message) => {
            const bytes = Buffer.from(String(message[member]), "base64url");
            bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ flip;
            message[member] = bytes.toString("base64url");
          });
          expect(await refusalOf(() => verifier.check(changed))).toMatch(/step "(secret|signature)"/);
        },
      ),
      { numRuns: 150 },
    );
    verifier.challenge(claim, key);
    expect(verifier.check(answered).proven).toBe(true);
  });

  it("an answer yields a verdict or is refused", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier({ random: (length) => new Uint8Array(length).fill(7) });
    const answered = await answer(verifier.challenge(claim, key));
    const texts = fc.oneof(
      fc.json(),
      fc.string(),
      mutation.map((by) => mutate(answered, by)),
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        verifier.challenge(claim, key);
        await refusalOf(() => verifier.check(text));
      }),
      { numRuns: 150 },
    );
  });

  it("a challenge is answered or refused by the device", async () => {
    const { claim, key, answer } = await newDevice();
    const challenge = newVerifier().challenge(claim, key);
    const kinds = fc.constantFrom(...kindNames).map((kind) =>
      edited(challenge, (message) => {
        message["endorsementKey"] = kind;
      }),
    );
    const texts = fc.oneof(
      fc.json(),
      mutation.map((by) => mutate(challenge, by)),
      kinds,
    );
    await fc.assert(
      fc.asyncProperty(texts, async (text) => {
        await refusalOf(() => answer(text));
      }),
      { numRuns: 100 },
    );
  });
});
