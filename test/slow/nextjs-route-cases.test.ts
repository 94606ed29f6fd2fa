import { afterAll, beforeAll, expect, test } from "vitest";
import { cases } from "../../packages/sdk/test/adapters/cases.js";
import { expectedOf, runCase } from "../../packages/sdk/test/adapters/run-case.js";
import { NextjsApplication } from "./nextjs-application.js";

const application = new NextjsApplication("route");

beforeAll(() => application.open(), 300_000);
afterAll(() => application.close());

// One after another: the application has one place for what is under test.
test.each(cases)("a route handler: $name", async (each) => {
  expect(await runCase(application, each)).toEqual(expectedOf(application, each));
});
