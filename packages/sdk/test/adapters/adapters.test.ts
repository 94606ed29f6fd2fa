import { describe, expect, test } from "vitest";
import { cases } from "./cases.js";
import { expectedOf, runCase } from "./run-case.js";
import { adapters } from "./servers.js";

describe.each(adapters)("$name", (adapter) => {
  test.concurrent.each(cases)("$name", async (each) => {
    expect(await runCase(adapter, each)).toEqual(expectedOf(adapter, each));
  });

  test("differs from the table only where it says so, and there it does", () => {
    for (const [name, { because, outcome }] of Object.entries(adapter.differs ?? {})) {
      const listed = cases.find((each) => each.name === name);
      expect(listed, `${name} is a case`).toBeDefined();
      expect(outcome, name).not.toEqual(listed?.expected);
      expect(because, name).toMatch(/\w/);
    }
  });
});

test("the table has no name twice", () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});
