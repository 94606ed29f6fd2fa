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
    expect(wrong.wait("@acme")).toBeUndefined();
    wrong.begin("@acme");
    pass(1000);
  }
  expect(wrong.wait("@acme")).toBe(55);
  expect(wrong.wait("@other")).toBeUndefined();
  pass(55_000);
  expect(wrong.wait("@acme")).toBeUndefined();
  wrong.begin("@acme");
  expect(wrong.wait("@acme")).toBe(1);
});

it("does not count those that were right, but while nobody knows", () => {
  const { wrong } = entries(2);
  const right = [wrong.begin("@acme"), wrong.begin("@acme")];
  expect(wrong.wait("@acme")).toBe(60);
  for (const one of right) one();
  expect(wrong.wait("@acme")).toBeUndefined();
});

it("takes one entry back once, and no other one", () => {
  const { wrong, pass } = entries(2);
  const right = wrong.begin("@acme");
  pass(10);
  wrong.begin("@acme");
  right();
  right();
  wrong.begin("@acme");
  expect(wrong.wait("@acme")).toBe(60);
});

it("keeps a bounded number of names, and goes on when they are over", () => {
  const { wrong, pass } = entries(5);
  for (let i = 0; i < 100_000; i++) wrong.begin(`@${i}`);
  expect(wrong.wait("@new")).toBe(1);
  expect(wrong.wait("@7")).toBeUndefined();
  pass(60_000);
  expect(wrong.wait("@new")).toBeUndefined();
});
