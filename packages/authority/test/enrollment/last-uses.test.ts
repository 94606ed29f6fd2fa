import { expect, it } from "vitest";
import { LastUses } from "../../src/enrollment/last-uses.js";

function uses() {
  let now = 1_800_000_000_000;
  const written: [string, number][][] = [];
  let fails = false;
  const store = {
    async noteUses(batch: ReadonlyMap<string, number>) {
      if (fails) throw new Error("away");
      written.push([...batch]);
    },
  };
  return {
    uses: new LastUses(store, () => now),
    written,
    pass: (ms: number) => (now += ms),
    fail: (yes: boolean) => (fails = yes),
  };
}

it("writes each enrollment once a minute, and nothing where nothing happened", async () => {
  const { uses: noted, written, pass } = uses();
  await noted.write();
  for (const id of ["a", "b", "a"]) noted.note(id);
  await noted.write();
  noted.note("a");
  await noted.write();
  pass(60_000);
  noted.note("a");
  await noted.write();
  expect(written).toEqual([
    [
      ["a", 1_800_000_000],
      ["b", 1_800_000_000],
    ],
    [["a", 1_800_000_060]],
  ]);
});

it("keeps what could not be written, and does not write an older time over a newer one", async () => {
  const { uses: noted, written, pass, fail } = uses();
  noted.note("a");
  noted.note("b");
  fail(true);
  await expect(noted.write()).rejects.toThrow("away");
  pass(60_000);
  noted.note("a");
  fail(false);
  await noted.write();
  expect(written).toEqual([
    [
      ["a", 1_800_000_060],
      ["b", 1_800_000_000],
    ],
  ]);
});
