import { describe, expect, it } from "vitest";
import { faultyWorld, feedFaults, suffer } from "./feed-faults.js";

/** One of each kind: the whole table is gone through in `npm run test:all`. */
const here = ["nothing", "every delta dropped", "an authority that is down", "a restart of the verifier"];
const chosen = feedFaults.filter(({ name }) => here.includes(name));

describe("a revoked device is refused in time, and everybody else let in again, under", () => {
  const world = faultyWorld();

  it("as many faults as are named", () => expect(chosen).toHaveLength(here.length));

  it.each(chosen)("$name", { timeout: 90_000 }, (fault) => suffer(world(), fault));
});
