import type { Fault } from "./fault.js";
import { processFaults } from "./process-faults.js";

/** Everything that goes wrong in `npm run test:faults`, one after the other. */
export const faults: readonly Fault[] = [...processFaults];
