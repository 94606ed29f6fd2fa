import { SmallDisk } from "../fixtures/small-disk.js";
import type { Environment } from "./environment.js";
import { each } from "./explained.js";
import type { Fault } from "./fault.js";
import { type Target, targets } from "./stage.js";

/** Room for the audit of one trial after another. */
const mebibytes = 64;

/** An authority whose disk is full writes nothing, and where nothing is written, heads of the feed come too seldom. */
const fullCodes = {
  "api-1": ["audit_unavailable", "trust_stale"],
  authority: ["audit_unavailable"],
} as const;

/** Two parts have a disk of their own: their identity, the copy of the feed, and the audit. */
export const fullDisk: Environment = {
  name: "of disks",
  async open(ended) {
    const full = (part: "api-1" | "authority", disk: SmallDisk, cutsOff: readonly Target[]): Fault => ({
      name: `full disk of ${part}`,
      disturbs: [],
      degrades: [part],
      noticedSeconds: 3,
      refuses: { ...each(cutsOff, "trust_stale"), [part]: fullCodes[part] },
      cutsOff,
      begin: async () => disk.fill(),
      end: async () => disk.free(),
    });
    const [ofApi, ofAuthority] = [new SmallDisk(mebibytes, ended), new SmallDisk(mebibytes, ended)];
    const parts = { "api-1": { folder: ofApi.folder }, authority: { folder: ofAuthority.folder } };
    return {
      stage: { parts },
      faults: [full("api-1", ofApi, ["api-1"]), full("authority", ofAuthority, targets)],
    };
  },
};
