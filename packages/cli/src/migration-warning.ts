import { AmeshError } from "@authmesh/core";
import { migrationStages, readMigration } from "@authmesh/keystore";
import type { Finding } from "./finding.js";

/** What to tell of a move to another key that is not complete, with the command that comes next. */
export function migrationWarning(dir: string): Finding | undefined {
  try {
    const { stage, next, previous } = readMigration(dir);
    if (stage === "none") return undefined;
    const { detail, fix } = migrationStages[stage];
    return { verdict: "WARN", detail: `${detail} It is that of ${(next ?? previous)?.deviceId}.`, fix };
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return { verdict: "FAIL", detail: `${error.message} (${error.code})`, fix: error.fix };
  }
}
