import { describe, it } from "vitest";
import {
  faultyWorld,
  feedFaults,
  suffer,
  sufferPartition,
} from "../../packages/authority/test/faults/feed-faults.js";

describe("a revoked device is refused in time, and everybody else let in again, under", () => {
  const world = faultyWorld();

  it.each(feedFaults)("$name", { timeout: 90_000 }, (fault) => suffer(world(), fault));

  const mayPartition = process.getuid?.() === 0 || process.env["CI"] !== undefined;
  it.skipIf(!mayPartition)("a partition", { timeout: 90_000 }, () => sufferPartition(world()));
});
