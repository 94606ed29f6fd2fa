import { it } from "vitest";
import { sufferFaults } from "./faults.js";

it("two thousand requests that go wrong in every way leave nothing behind", { timeout: 60_000 }, () =>
  sufferFaults({ requests: 2000, stallEvery: 40 }),
);
