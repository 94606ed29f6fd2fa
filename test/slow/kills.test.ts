import { describe, expect, it } from "vitest";
import { KilledAuthority } from "../../packages/authority/test/faults/killed-authority.js";
import { backends } from "../../packages/authority/test/stores.js";

const kills = 40;

describe.each(backends())("an authority over $name that is killed many times", (backend) => {
  it(
    "loses nothing that it acknowledged, and shows nothing that is half done",
    async () => {
      const killed = await KilledAuthority.over(backend);
      await killed.live(Array.from({ length: kills }, Math.random));
      expect(killed.acknowledged).toBeGreaterThan(10 * kills);
      // Some were caught before their transaction, and some after it: it was killed between these, too.
      expect(new Set(killed.unanswered)).toEqual(new Set([true, false]));
    },
    15 * 60_000,
  );
});
