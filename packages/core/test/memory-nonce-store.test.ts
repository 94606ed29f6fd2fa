import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InMemoryNonceStore, type InMemoryNonceStoreOptions } from "../src/index.js";

/** A store on two clocks, both in milliseconds, that move only when told. */
function storeOnClocks(options: InMemoryNonceStoreOptions = {}) {
  const clock = { wall: 1_743_160_800_000, monotonic: 5_000 };
  const store = new InMemoryNonceStore({
    now: () => clock.wall,
    monotonic: () => clock.monotonic,
    ...options,
  });
  const pass = (seconds: number) => {
    clock.wall += seconds * 1000;
    clock.monotonic += seconds * 1000;
  };
  return { clock, store, pass };
}

const fresh = (store: InMemoryNonceStore, nonce: string, windowSeconds = 60) =>
  store.checkAndRecord(nonce, windowSeconds).catch((error: { code: string }) => error.code);

describe("a nonce in memory", () => {
  it("is fresh once", async () => {
    const { store } = storeOnClocks();
    expect(await fresh(store, "abc123")).toBe(true);
    expect(await fresh(store, "abc123")).toBe(false);
    expect(await fresh(store, "abc124")).toBe(true);
  });

  it("is fresh for one of a hundred who present it at once", async () => {
    const { store } = storeOnClocks();
    const answers = await Promise.all(Array.from({ length: 100 }, () => fresh(store, "am:a:n")));
    expect(answers.filter((answer) => answer === true)).toHaveLength(1);
  });

  it("is remembered among twenty thousand", async () => {
    const { store } = storeOnClocks();
    const nonces = Array.from({ length: 20_000 }, (_, i) => `am:owner:${i}`);
    for (const nonce of nonces) await fresh(store, nonce);
    expect(store.size).toBe(20_000);
    const answers = await Promise.all(nonces.map((nonce) => fresh(store, nonce)));
    expect(answers.every((answer) => answer === false)).toBe(true);
  });

  it("is remembered up to its window and not a millisecond longer", async () => {
    const { store, clock, pass } = storeOnClocks();
    await fresh(store, "n", 60);
    pass(59.999);
    expect(await fresh(store, "n", 60)).toBe(false);
    clock.wall += 1;
    clock.monotonic += 1;
    expect(await fresh(store, "n", 60)).toBe(true);
  });

  it("is not remembered longer because it was presented again", async () => {
    const { store, pass } = storeOnClocks();
    await fresh(store, "n", 60);
    pass(50);
    expect(await fresh(store, "n", 60)).toBe(false);
    pass(10);
    expect(await fresh(store, "n", 60)).toBe(true);
  });

  it("leaves after its own window, in whatever order the windows came", async () => {
    const { store, pass } = storeOnClocks();
    const windows = Array.from({ length: 2000 }, (_, i) => ((i * 7919) % 2000) + 1);
    for (const window of windows) await fresh(store, `n${window}`, window);
    let passed = 0;
    for (const until of [1, 500, 1999]) {
      pass(until - passed);
      passed = until;
      expect(await fresh(store, `n${until}`, 1)).toBe(true);
      for (const window of windows) {
        if (window > until) expect(await fresh(store, `n${window}`, window)).toBe(false);
      }
    }
  });

  it("stays while the wall clock says so, though the monotonic clock does not", async () => {
    const { store, clock, pass } = storeOnClocks();
    await fresh(store, "n", 60);
    clock.wall -= 3_600_000;
    pass(61);
    expect(await fresh(store, "n", 60)).toBe(false);
    pass(3600);
    expect(await fresh(store, "n", 60)).toBe(true);
  });

  it("stays while the monotonic clock says so, though the wall clock went ahead", async () => {
    const { store, clock, pass } = storeOnClocks();
    await fresh(store, "n", 60);
    clock.wall += 3_600_000;
    expect(await fresh(store, "n", 60)).toBe(false);
    pass(60);
    expect(await fresh(store, "n", 60)).toBe(true);
  });

  it("leaves within ten seconds once the wall clock is back, however far away it was", async () => {
    const { store, clock, pass } = storeOnClocks();
    await fresh(store, "n", 60);
    clock.wall -= 1e12;
    pass(60);
    expect(await fresh(store, "n", 60)).toBe(false);
    clock.wall += 1e12;
    pass(10);
    expect(await fresh(store, "n", 60)).toBe(true);
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])(
    "takes a window of %d s for a mistake",
    async (window) => {
      await expect(new InMemoryNonceStore().checkAndRecord("n", window)).rejects.toThrow(TypeError);
    },
  );

  it("lives as a plain map of both expiries would have it, whatever the clocks do", async () => {
    const step = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({ nonce: fc.nat({ max: 40 }), window: fc.integer({ min: 1, max: 90 }) }),
      },
      { weight: 2, arbitrary: fc.record({ pass: fc.integer({ min: 0, max: 60_000 }) }) },
      { weight: 1, arbitrary: fc.record({ jump: fc.integer({ min: -200_000, max: 200_000 }) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
        const { store, clock } = storeOnClocks();
        const model = new Map<string, { wall: number; monotonic: number; heldUntil: number }>();
        for (const what of steps) {
          if ("jump" in what) clock.wall += what.jump;
          else if ("pass" in what) {
            clock.wall += what.pass;
            clock.monotonic += what.pass;
          }
          for (const entry of model.values()) {
            // Seen at a time when only the wall clock held it, it may be left alone for ten seconds.
            const onlyWall = entry.monotonic <= clock.monotonic && entry.wall > clock.wall;
            if (onlyWall) entry.heldUntil = clock.monotonic + 10_000;
          }
          if (!("nonce" in what)) continue;
          const nonce = `am:owner:${what.nonce}`;
          const known = model.get(nonce);
          const answer = await store.checkAndRecord(nonce, what.window);
          const lives = known && (known.wall > clock.wall || known.monotonic > clock.monotonic);
          if (lives) expect(answer).toBe(false);
          else if (known === undefined || known.heldUntil <= clock.monotonic) expect(answer).toBe(true);
          if (answer) {
            const window = what.window * 1000;
            model.set(nonce, {
              wall: clock.wall + window,
              monotonic: clock.monotonic + window,
              heldUntil: 0,
            });
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe("a full nonce store", () => {
  const fill = async (store: InMemoryNonceStore, owner: string, count: number) => {
    const answers = [];
    for (let i = 0; i < count; i++) answers.push(await fresh(store, `am:${owner}:${i}`));
    return answers.filter((answer) => answer === true).length;
  };

  it("refuses the owner above its fair share and lets the others go on", async () => {
    const { store } = storeOnClocks({ maxNonces: 100 });
    expect(await fill(store, "greedy", 150)).toBe(100);
    expect(await fresh(store, "am:greedy:new")).toBe("replay_store_full");
    expect(await fill(store, "modest", 30)).toBe(30);
    expect(await fresh(store, "am:greedy:new")).toBe("replay_store_full");
  });

  it("evicts nothing that lives", async () => {
    const { store } = storeOnClocks({ maxNonces: 100 });
    await fill(store, "greedy", 150);
    await fill(store, "modest", 150);
    for (let i = 0; i < 100; i++) expect(await fresh(store, `am:greedy:${i}`)).toBe(false);
    for (let i = 0; i < 30; i++) expect(await fresh(store, `am:modest:${i}`)).toBe(false);
  });

  it("never holds more than twice its cap, however many owners press in", async () => {
    const { store } = storeOnClocks({ maxNonces: 100 });
    for (let owner = 0; owner < 100; owner++) await fill(store, `owner${owner}`, 110);
    expect(store.size).toBe(200);
    expect(await fresh(store, "am:newcomer:0")).toBe("replay_store_full");
  });

  it("has room again when windows end, also for who was refused", async () => {
    const { store, pass } = storeOnClocks({ maxNonces: 100 });
    await fill(store, "greedy", 150);
    pass(60);
    expect(await fill(store, "greedy", 150)).toBe(100);
  });

  it("counts no share for owners whose nonces are all gone", async () => {
    const { store, pass } = storeOnClocks({ maxNonces: 100 });
    for (let owner = 0; owner < 10; owner++) await fill(store, `gone${owner}`, 5);
    pass(60);
    await fill(store, "greedy", 100);
    expect(await fill(store, "modest", 150)).toBe(50);
  });

  it("counts everything without a colon as one owner's", async () => {
    const { store } = storeOnClocks({ maxNonces: 2 });
    expect([await fresh(store, "a"), await fresh(store, "b"), await fresh(store, "c")]).toEqual([
      true,
      true,
      "replay_store_full",
    ]);
  });

  it.each([0, -1, 1.5, Number.NaN])("takes a cap of %d for a mistake", (maxNonces) => {
    expect(() => new InMemoryNonceStore({ maxNonces })).toThrow(TypeError);
  });
});

describe("the replay epoch", () => {
  it("is the second in which the store was made, if asked for", () => {
    const now = () => 1_743_160_800_999;
    expect(new InMemoryNonceStore({ replayEpoch: true, now }).acceptsFrom).toBe(1_743_160_800);
    expect(new InMemoryNonceStore({ now }).acceptsFrom).toBeUndefined();
  });
});
