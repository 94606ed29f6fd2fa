import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { faultOf, isTaken } from "./attempt.js";
import { corpusOf } from "./corpus.js";
import { inputsOf } from "./mutations.js";
import { targets } from "./targets.js";

const folder = fileURLToPath(new URL("corpus", import.meta.url));

describe.each(targets)("$name", (target) => {
  const corpus = corpusOf(folder, target);

  it("takes its good inputs, and has no fault with any that is kept", async () => {
    for (const { file, input, isGood } of corpus) {
      expect({ file, fault: await faultOf(target, input) }).toEqual({ file, fault: undefined });
      if (isGood) expect({ file, taken: await isTaken(target, input) }).toEqual({ file, taken: true });
    }
    expect(corpus.some(({ isGood }) => isGood)).toBe(true);
  });

  it("has no fault with forty inputs that are nearly good", async () => {
    const inputs = inputsOf(
      target,
      corpus.map(({ input }) => input),
    );
    const holds = fc.asyncProperty(inputs, async (input) => (await faultOf(target, input)) === undefined);
    await fc.assert(holds, { seed: 1, numRuns: 40 });
  });
});
