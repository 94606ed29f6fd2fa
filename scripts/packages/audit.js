/** Known weaknesses of what is installed with the packages, as far as the registry tells. */
import { spawnSync } from "node:child_process";
import { root } from "../run.js";

/** @param {{ required: boolean }} options whether an answer is needed @throws Error for a weakness, or where there is no answer and one is needed */
export function audit({ required }) {
  const npm = process.platform === "win32" ? "npm.cmd" : "npm";
  const { stdout } = spawnSync(npm, ["audit", "--omit=dev", "--json"], {
    cwd: root,
    encoding: "utf8",
    timeout: 120_000,
  });
  const report = parsed(stdout);
  if (report?.metadata?.vulnerabilities === undefined) {
    const { statusCode, message } = report ?? {};
    const outcome = `not run: ${statusCode === undefined ? (message ?? "no answer") : `the registry answered ${statusCode}`}`;
    if (required) throw new Error(outcome);
    return outcome;
  }
  const { total } = report.metadata.vulnerabilities;
  if (total > 0)
    throw new Error(`${total} known weaknesses: ${Object.keys(report.vulnerabilities).join(" ")}`);
  return "OK, none is known";
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
