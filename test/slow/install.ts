import { npm } from "../../scripts/setup.js";
import { example } from "../fixtures/example-server.js";

/** The example for Next.js takes a copy of what was built last, and all that is large from a lockfile of its own. */
export default (): Promise<void> => npm("ci", "--prefix", example("nextjs"));
