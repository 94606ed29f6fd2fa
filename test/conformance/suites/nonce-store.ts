import type { NonceStore } from "@authmesh/core";
import { describe, expect, it } from "vitest";

/** Time as the store under test sees it: both clocks together, in milliseconds. */
export interface SteppedClock {
  advance(milliseconds: number): Promise<void> | void;
}

/**
 * What every nonce store must do (docs/protocol.md, section 2, step 11).
 *
 * @param open makes a fresh store and the clock that drives it
 */
export function nonceStoreConformance(
  name: string,
  open: () => Promise<{ store: NonceStore; clock: SteppedClock }>,
): void {
  describe(`${name} as a nonce store`, () => {
    it("accepts a nonce once", async () => {
      const { store } = await open();
      expect(await store.checkAndRecord("am:am_a:n", 60)).toBe(true);
      expect(await store.checkAndRecord("am:am_a:n", 60)).toBe(false);
      expect(await store.checkAndRecord("am:am_a:n", 3600)).toBe(false);
      await store.close?.();
    });

    it("accepts one of a hundred that come at once", async () => {
      const { store } = await open();
      const answers = await Promise.all(
        Array.from({ length: 100 }, () => store.checkAndRecord("am:am_a:n", 60)),
      );
      expect(answers.filter(Boolean)).toHaveLength(1);
      await store.close?.();
    });

    it("tells apart what differs in a character, in case, or in whose it is", async () => {
      const { store } = await open();
      const nonces = ["am:am_a:n", "am:am_a:N", "am:am_a:n ", "am:am_b:n", "hs:am_a:n", "n", ""];
      for (const nonce of nonces) expect(await store.checkAndRecord(nonce, 60), nonce).toBe(true);
      for (const nonce of nonces) expect(await store.checkAndRecord(nonce, 60), nonce).toBe(false);
      await store.close?.();
    });

    it("remembers to the end of the window, and a refusal does not make it longer", async () => {
      const { store, clock } = await open();
      await store.checkAndRecord("am:am_a:n", 71);
      await clock.advance(70_000);
      expect(await store.checkAndRecord("am:am_a:n", 71)).toBe(false);
      await clock.advance(1_100);
      expect(await store.checkAndRecord("am:am_a:n", 71)).toBe(true);
      await store.close?.();
    });

    it("keeps each nonce for its own window", async () => {
      const { store, clock } = await open();
      await store.checkAndRecord("am:am_a:long", 371);
      await store.checkAndRecord("am:am_a:short", 71);
      await clock.advance(72_000);
      expect(await store.checkAndRecord("am:am_a:long", 371)).toBe(false);
      expect(await store.checkAndRecord("am:am_a:short", 71)).toBe(true);
      await store.close?.();
    });
  });
}
