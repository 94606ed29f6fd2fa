import { each } from "./explained.js";
import type { Fault } from "./fault.js";
import { maxStale } from "./launches.js";
import type { PartName } from "./part.js";
import { targets } from "./stage.js";

/** A part that is away, and what that does to others: seconds of the fault, and what has to say that it cannot work. */
interface Absence extends Pick<Fault, "degrades" | "seconds" | "refuses" | "cutsOff"> {
  readonly part: PartName;
}

const api: Absence = { part: "api-1", degrades: ["api-1"], cutsOff: ["api-1"] };
/** Long enough for copies of the feed to become too old. */
const authority: Absence = {
  part: "authority",
  degrades: ["authority", ...targets],
  seconds: maxStale + 6,
  refuses: each(targets, "trust_stale"),
  cutsOff: targets,
};
const absences: readonly Absence[] = [
  api,
  { part: "gateway", degrades: ["gateway"], cutsOff: ["gateway"] },
  { part: "relay", degrades: ["relay"] },
  authority,
];

const killed = ({ part, refuses = {}, ...absence }: Absence): Fault => ({
  ...absence,
  name: `SIGKILL of ${part}`,
  disturbs: [part],
  // What a guard last wrote of the feed may be older than a device. It knows that one, and its tokens, once it has caught up.
  refuses: {
    ...each(
      targets.filter((name) => name === part),
      "device_unknown",
      "revoked",
    ),
    ...refuses,
  },
  begin: (stage) => stage.part(part).kill(),
  end: (stage) => stage.part(part).start(),
});

const hanging = ({ part, ...absence }: Absence): Fault => ({
  ...absence,
  name: `SIGSTOP of ${part}`,
  disturbs: [part],
  begin: async (stage) => stage.part(part).pause(),
  end: async (stage) => stage.part(part).resume(),
});

export const killedApi = killed(api);
export const killedAuthority = killed(authority);

/** As an operator does it: the second start is at once, so that nothing has to be told of it, and no copy becomes too old. */
const restarted = ({ part, cutsOff = [] }: Absence): Fault => ({
  name: `restart of ${part}`,
  disturbs: [part],
  degrades: [],
  cutsOff,
  begin: (stage) => stage.part(part).restart(),
  end: async () => {},
});

/** What the others are compared with. */
export const nothing: Fault = {
  name: "nothing",
  disturbs: [],
  degrades: [],
  begin: async () => {},
  end: async () => {},
};

/** Nobody is let in whose request may have been accepted before. */
export const hangingRedis: Fault = {
  name: "SIGSTOP of Redis",
  disturbs: [],
  degrades: targets,
  refuses: each(targets, "replay_store_unavailable"),
  begin: async (stage) => stage.redis.pause(),
  end: async (stage) => stage.redis.resume(),
};

export const emptyRedis: Fault = {
  name: "SIGKILL of Redis, which comes back empty",
  disturbs: [],
  degrades: targets,
  refuses: each(targets, "replay_store_unavailable"),
  // What was stamped before the loss is refused for as long as it could be a replay: the skew of clocks, and 10 s.
  recoverySeconds: 60,
  begin: (stage) => stage.redis.kill(),
  end: (stage) => stage.redis.start(),
};

/** Processes that end, hang, or are started anew. */
export const processFaults: readonly Fault[] = [
  nothing,
  ...absences.map(killed),
  ...absences.map(hanging),
  ...absences.map(restarted),
  hangingRedis,
  emptyRedis,
];
