import { expect, it } from "vitest";
import { WrongEntries } from "../../src/enrollment/wrong-entries.js";

function entries(most: number) {
  let now = 0;
  const wrong = new WrongEntries(most, () => now);
  return { wrong, pass: (ms: number) => (now += ms) };
}

it("looks at so many wrong entries a minute, of each name by itself", () => {
  const { wrong, pass } = entries(5);
  for (let i = 0; i < 5; i++) {
    expect(wrong.take("@acme")).toBeUndefined();
    pass(1000);
  }
  expect(wrong.take("@acme")).toBe(55);
  expect(wrong.take("@other")).toBeUndefined();
  pass(55_000);
  expect(wrong.take("@acme")).toBeUndefined();
  expect(wrong.take("@acme")).toBe(1);
});

it("does not count those that were right, but while nobody knows", () => {
  const { wrong } = entries(2);
  for (let i = 0; i < 2; i++) expect(wrong.take("@acme")).toBeUndefined();
  expect(wrong.take("@acme")).toBe(60);
  wrong.giveBack("@acme");
  expect(wrong.take("@acme")).toBeUndefined();
  expect(wrong.take("@acme")).toBe(60);
  wrong.giveBack("@nobody");
  expect(wrong.take("@nobody")).toBeUndefined();
});

it("keeps a bounded number of names, and goes on when they are over", () => {
  const { wrong, pass } = entries(5);
  for (let i = 0; i < 100_000; i++) wrong.take(`@${i}`);
  expect(wrong.take("@new")).toBe(1);
  expect(wrong.take("@7")).toBeUndefined();
  pass(60_000);
  expect(wrong.take("@new")).toBeUndefined();
});
