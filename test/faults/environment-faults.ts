import { wrongClock } from "./clock-faults.js";
import { returningCrowd } from "./crowd-faults.js";
import { fullDisk } from "./disk-faults.js";
import type { Environment } from "./environment.js";
import { parted } from "./network-faults.js";
import { databaseAway } from "./postgres-faults.js";
import { failOver } from "./redis-faults.js";
import { newKeys } from "./rotation-faults.js";

/** What surrounds the processes fails: networks, clocks, disks, what they share. */
export const environments: readonly Environment[] = [
  parted,
  wrongClock,
  fullDisk,
  failOver,
  databaseAway,
  newKeys,
  returningCrowd,
];
