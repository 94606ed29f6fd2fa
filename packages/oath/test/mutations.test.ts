import { fromBase64Url, PrivateKey } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createP256Signer, readToken, staticKeys, type TokenVerifier } from "../src/index.js";
import { part } from "./forged-token.js";
import { issuer, mint, outcome, signer, verifierWith } from "./token-fixture.js";

const p256 = createP256Signer(PrivateKey.fromBytes(new Uint8Array(32).fill(9)));
const keys = staticKeys({ [issuer]: { keys: [signer.publicJwk, p256.publicJwk] } });
/** Each is used again and again, so that nothing is refused for being used. */
const verifier: TokenVerifier = verifierWith({ keys, tokenUse: "until-expiry" });
const tokens = [
  await mint(),
  await mint({ scope: ["orders:rw"], src: { type: "gitlab", repo: "a/b" } }, { ttlSeconds: 300 }),
  await mint({ act: "orders.read" }, { signer: p256 }),
];

const anyToken = fc.constantFrom(...tokens);
const segments = (token: string) => token.split(".") as [string, string, string];

/** Never another text for the same token: every change is one that must be refused. */
const refused = async (mutant: string) => {
  if (tokens.includes(mutant)) return;
  const decision = await verifier.verify(mutant);
  expect(`${mutant} ${outcome(decision)}`).toMatch(/ (?:1|2|3|4|5|6|7|8) [a-z_]+(?::[a-z]+)?$/);
};

describe("of a good token", () => {
  it("nothing is wrong to begin with", async () => {
    for (const token of tokens) expect(outcome(await verifier.verify(token))).toBe("allowed");
  });

  it("every text with some characters changed, inserted or left out is refused", async () => {
    const edit = fc.tuple(fc.nat(), fc.constantFrom("", "A", "=", ".", "_", "é", " "), fc.boolean());
    await fc.assert(
      fc.asyncProperty(anyToken, fc.array(edit, { minLength: 1, maxLength: 3 }), async (token, edits) => {
        let mutant = token;
        for (const [at, insert, replace] of edits) {
          const index = at % mutant.length;
          mutant = mutant.slice(0, index) + insert + mutant.slice(index + (replace ? 1 : 0));
        }
        await refused(mutant);
      }),
      { numRuns: 400 },
    );
  });

  it("every one with bits flipped in what its parts encode is refused", async () => {
    const flip = fc.record({ part: fc.nat({ max: 2 }), bit: fc.nat() });
    await fc.assert(
      fc.asyncProperty(anyToken, fc.array(flip, { minLength: 1, maxLength: 3 }), async (token, flips) => {
        const bytes = segments(token).map((text) => Uint8Array.from(fromBase64Url(text) ?? []));
        for (const { part, bit } of flips) {
          const chosen = bytes[part] as Uint8Array;
          const at = (bit >> 3) % chosen.length;
          chosen[at] = (chosen[at] as number) ^ (1 << (bit & 7));
        }
        await refused(bytes.map(part).join("."));
      }),
      { numRuns: 400 },
    );
  });

  it("every mixture of the parts of several is refused", async () => {
    const pieces = tokens.flatMap(segments);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom(...pieces, ""), { maxLength: 4 }), (mixed) =>
        refused(mixed.join(".")),
      ),
      { numRuns: 400 },
    );
  });

  it("every one with a member of its header or payload edited is refused, as nobody signed it anew", async () => {
    await fc.assert(
      fc.asyncProperty(
        anyToken,
        fc.nat({ max: 1 }),
        fc.constantFrom(
          "alg",
          "kid",
          "typ",
          "iss",
          "sub",
          "aud",
          "act",
          "exp",
          "iat",
          "jti",
          "scope",
          "cnf",
          "other",
        ),
        fc.oneof(fc.constant(undefined), fc.jsonValue({ maxDepth: 2 })),
        async (token, index, name, value) => {
          const parts = segments(token);
          const object = JSON.parse(new TextDecoder().decode(fromBase64Url(parts[index] as string)));
          parts[index] = part(JSON.stringify({ ...object, [name]: value }));
          await refused(parts.join("."));
        },
      ),
      { numRuns: 400 },
    );
  });

  it("and of any text, reading it for inspection gives claims or a problem, never a throw", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(fc.constantFrom(...tokens.flatMap(segments), "", "e30")).map((p) => p.join(".")),
        ),
        (text) => {
          const { claims, problem } = readToken(text);
          expect((claims === undefined) !== (problem === undefined)).toBe(true);
        },
      ),
    );
  });
});
