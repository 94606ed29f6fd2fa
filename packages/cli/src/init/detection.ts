import type { KeyStoreFinding } from "@authmesh/keystore";

/** What was found of each key store, as every way of `amesh init` shows it. */
export function describeDetection(findings: readonly KeyStoreFinding[]): string {
  const width = Math.max(...findings.map(({ label }) => label.length));
  const rows = findings.map(
    ({ label, status, reason }) =>
      `  ${label.padEnd(width)}    ${status === "selected" ? status : `${status} (${reason})`}`,
  );
  return `Detecting key storage backend:\n${rows.join("\n")}`;
}

/** The label of the key store that was taken. */
export const selectedLabel = (findings: readonly KeyStoreFinding[], backend: string): string =>
  findings.find(({ status }) => status === "selected")?.label ?? backend;
