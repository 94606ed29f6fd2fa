import { afterAll, beforeAll, expect, test } from "vitest";
import { cases } from "../../packages/sdk/test/adapters/cases.js";
import { expectedOf, runCase } from "../../packages/sdk/test/adapters/run-case.js";
import { NextjsApplication } from "./nextjs-application.js";

/** Not applicable: Next.js sends no answer of proxy.ts before the whole body has come, whatever it is. */
const withoutAnswer = new Set([
  "an announced body over the limit, before it is sent",
  "a body in chunks over the limit, before it ends",
  "a stranger's body, before it is sent",
  "a body that does not end in time",
]);
const applicable = cases.filter(({ name }) => !withoutAnswer.has(name));

const application = new NextjsApplication("proxy");

beforeAll(() => application.open(), 300_000);
afterAll(() => application.close());

// One after another: the application has one place for what is under test.
test.each(applicable)("proxy.ts: $name", async (each) => {
  expect(await runCase(application, each)).toEqual(expectedOf(application, each));
});

test("every case is run or named", () => {
  expect(applicable.length + withoutAnswer.size).toBe(cases.length);
});
