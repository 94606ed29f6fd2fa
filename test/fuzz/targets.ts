import type { Target } from "./target.js";
import { pairing } from "./targets/pairing.js";
import { requests } from "./targets/requests.js";
import { texts } from "./targets/texts.js";

/** Every parser of the product. */
export const targets: readonly Target[] = [...texts, ...requests, ...pairing];
