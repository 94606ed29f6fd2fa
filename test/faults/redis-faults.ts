import type { Environment } from "./environment.js";
import { RedisPair } from "./redis-pair.js";

/** Redis has a replica, which takes its place and does not know what was written last. */
export const failOver: Environment = {
  name: "of Redis and its replica",
  async open(ended) {
    const pair = await RedisPair.start(ended);
    const lostWrites = {
      name: "fail-over of Redis, with what was written for 5 s lost",
      disturbs: [],
      degrades: ["api-1", "api-2", "gateway"],
      seconds: 5,
      // What was stamped before the loss is refused for as long as it could be a replay: the skew of clocks, and 10 s.
      recoverySeconds: 60,
      begin: () => pair.cutReplication(),
      end: () => pair.failOver(),
    } as const;
    return { stage: { redisUrl: () => pair.url }, faults: [lostWrites] };
  },
};
