import type { Environment } from "./environment.js";
import { each } from "./explained.js";
import type { Fault } from "./fault.js";
import { maxStale } from "./launches.js";
import { type Stage, targets } from "./stage.js";

type Step = (postgres: Stage["postgres"]) => Promise<void> | void;

/** Without its database an authority confirms no copy of the feed. */
const away = (name: string, begin: Step, end: Step, more: Partial<Fault> = {}): Fault => ({
  name,
  disturbs: [],
  degrades: ["authority", ...targets],
  refuses: {
    authority: ["database_unavailable", "replay_store_unavailable"],
    ...each(targets, "trust_stale"),
  },
  cutsOff: targets,
  seconds: maxStale + 6,
  recoverySeconds: 40,
  begin: async ({ postgres }) => begin(postgres),
  end: async ({ postgres }) => end(postgres),
  ...more,
});

/** A PostgreSQL as in production: what it committed is on the disk. */
export const databaseAway: Environment = {
  name: "of PostgreSQL",
  open: async () => ({
    stage: { postgresSettings: ["fsync=on"] },
    faults: [
      away(
        "PostgreSQL stopped, as by its operator",
        (postgres) => postgres.stop(),
        (postgres) => postgres.start(),
      ),
      away(
        "PostgreSQL killed, as by a loss of power",
        (postgres) => postgres.kill(),
        (postgres) => postgres.start(),
      ),
      away(
        "SIGSTOP of PostgreSQL",
        (postgres) => postgres.pause(),
        (postgres) => postgres.resume(),
        // It waits 5 s for a database that is silent: callers do not wait longer for an answer.
        { disturbs: ["authority"], noticedSeconds: 8 },
      ),
    ],
  }),
};
