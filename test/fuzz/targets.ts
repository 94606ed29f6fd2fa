import type { Target } from "./target.js";
import { files } from "./targets/files.js";
import { pairing } from "./targets/pairing.js";
import { requests } from "./targets/requests.js";
import { services } from "./targets/services.js";
import { statements } from "./targets/statements.js";
import { texts } from "./targets/texts.js";

/** Every parser of the product. */
export const targets: readonly Target[] = [
  ...texts,
  ...requests,
  ...pairing,
  ...statements,
  ...files,
  ...services,
];
