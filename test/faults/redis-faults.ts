import { setTimeout as pause } from "node:timers/promises";
import type { Environment } from "./environment.js";
import { each } from "./explained.js";
import type { Fault } from "./fault.js";
import { RedisPair } from "./redis-pair.js";
import { targets } from "./stage.js";

/** Redis has a replica, which takes its place and does not know what was written last. */
export const failOver: Environment = {
  name: "of Redis and its replica",
  async open(ended) {
    const pair = await RedisPair.start(ended);
    const lostWrites: Fault = {
      name: "fail-over of Redis, with what was written for 5 s lost",
      disturbs: [],
      degrades: targets,
      noticedSeconds: 8,
      refuses: each(targets, "replay_store_unavailable"),
      // What was stamped before the loss is refused for as long as it could be a replay: the skew of clocks, and 10 s.
      recoverySeconds: 60,
      async begin() {
        await pair.cutReplication();
        await pause(5000);
        await pair.failOver();
      },
      end: async () => {},
    };
    return { stage: { redisUrl: () => pair.url }, faults: [lostWrites] };
  },
};
