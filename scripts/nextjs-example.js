/** The example for Next.js has a lockfile of its own, for it is large. */
import { npm } from "./setup.js";

/** Installs what an application needs that takes the SDK from this repository: a copy of what was built last. */
export const npmCi = (folder) => npm("ci", "--prefix", folder);
