import { Crowd } from "./crowd.js";
import type { Environment } from "./environment.js";
import { each } from "./explained.js";
import type { Fault } from "./fault.js";
import { targets } from "./stage.js";

/** All that follow the authority lose it at once, and come back by the rule that every follower goes by. */
export const returningCrowd: Environment = {
  name: "of a crowd",
  async open(ended) {
    const crowd = new Crowd();
    ended(() => crowd.disperse());
    const returning: Fault = {
      name: `${Crowd.size} followers lose the authority, and return`,
      disturbs: ["authority"],
      degrades: [],
      refuses: each(targets, "trust_stale"),
      cutsOff: targets,
      recoverySeconds: 30,
      // Each goes to all of them, and they share the machine with the authority.
      revokeEveryMs: 4000,
      async begin(stage) {
        await crowd.gather(stage.scene);
        await stage.part("authority").kill();
      },
      async end(stage) {
        await stage.part("authority").start();
        const began = performance.now();
        await crowd.complete();
        console.log(`All followers were back after ${((performance.now() - began) / 1000).toFixed(1)} s.`);
        await crowd.disperse();
      },
    };
    return { stage: {}, faults: [returning] };
  },
};
