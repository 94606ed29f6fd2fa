import type { KeyStoreFinding } from "@authmesh/keystore";

/** What was found of each key store, as every way of `amesh init` shows it, and why the last one was taken. */
export function describeDetection(findings: readonly KeyStoreFinding[]): string {
  const rows = detectionRows(findings).map((row) => `  ${row}`);
  const why = findings
    .filter(({ status }) => status === "selected")
    .map(({ label, reason }) => `\n\nSelected: ${label} (${reason})`);
  return `Detecting key storage backend:\n${rows.join("\n")}${why.join("")}`;
}

/** "TPM 2.0           not available (no /dev/tpmrm0)" */
export function detectionRows(findings: readonly KeyStoreFinding[]): readonly string[] {
  const width = Math.max(...findings.map(({ label }) => label.length));
  return findings.map(
    ({ label, status, reason }) =>
      `${label.padEnd(width)}    ${status === "selected" ? status : `${status} (${reason})`}`,
  );
}

/** The label of the key store that was taken. */
export const selectedLabel = (findings: readonly KeyStoreFinding[], backend: string): string =>
  findings.find(({ status }) => status === "selected")?.label ?? backend;
