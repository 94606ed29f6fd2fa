import type { Fault } from "./fault.js";
import type { InvariantName } from "./invariants.js";
import type { Protection } from "./launches.js";
import { hangingRedis, killedAuthority, nothing } from "./process-faults.js";

/** A protection that is switched off, and the invariants that have to notice. */
export interface Control {
  readonly without: Protection;
  readonly noticedBy: readonly InvariantName[];
  readonly fault: Fault;
}

/** At least one for each invariant: a check that finds nothing here would find nothing anywhere. */
export const controls: readonly Control[] = [
  { without: "shared memory", noticedBy: ["nothing is accepted twice"], fault: nothing },
  {
    without: "feed",
    noticedBy: ["nobody is let in who was revoked, and nothing that was tampered with"],
    fault: nothing,
  },
  { without: "audit", noticedBy: ["nothing that was acknowledged is lost"], fault: nothing },
  {
    without: "reasons",
    noticedBy: ["every refusal has a reason, and only what is stopped gives no answer"],
    fault: nothing,
  },
  { without: "readiness", noticedBy: ["what does not work says so, and works again"], fault: hangingRedis },
  {
    without: "service",
    noticedBy: ["honest callers are served by whatever the fault does not touch"],
    fault: nothing,
  },
  {
    without: "copy of the feed",
    noticedBy: ["honest callers are served by whatever the fault does not touch"],
    fault: killedAuthority,
  },
  {
    // It acknowledges a revocation, and writes nothing.
    without: "memory of the authority",
    noticedBy: [
      "nobody is let in who was revoked, and nothing that was tampered with",
      "nothing that was acknowledged is lost",
    ],
    fault: nothing,
  },
  { without: "release", noticedBy: ["memory and sockets return to where they were"], fault: nothing },
];
