import fc from "fast-check";
import { expect, it } from "vitest";
import { readBody } from "../src/index.js";

it("gives what came, however it came in pieces, and nothing of what is longer", async () => {
  const pieces = fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 0, max: 80 }), async (pieces, most) => {
      const whole = pieces.flatMap((piece) => [...piece]);
      const body = await readBody(new Response(streamOf(pieces)), most);
      expect(body && [...body]).toEqual(whole.length > most ? undefined : whole);
    }),
  );
});

const streamOf = (pieces: readonly Uint8Array[]) =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });

it("waits for nothing more of what is too long already", async () => {
  let cancelled = false;
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(100)),
    cancel: () => {
      cancelled = true;
    },
  });
  expect(await readBody(new Response(endless), 1000)).toBeUndefined();
  expect(cancelled).toBe(true);
});

it("of no body is nothing, and of one that breaks rejects", async () => {
  expect(await readBody(new Response(null), 10)).toEqual(new Uint8Array());
  const broken = new ReadableStream({ pull: (controller) => controller.error(new TypeError("cut")) });
  await expect(readBody(new Response(broken), 10)).rejects.toThrow("cut");
});
