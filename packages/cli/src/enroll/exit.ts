import type { Row } from "../manual.js";

/** How verbs end that ask the authority as an enrolled machine. */
export const enrolledExit: readonly Row[] = [
  ["2", "the command line cannot be read, or an answer is needed and nobody can be asked"],
  ["3", "refused: this machine may not do that, or is not in the account any more"],
  ["4", "there is no identity yet, or the enrollment is pending or has expired"],
  ["5", "the authority cannot be reached"],
];
