import { resolve } from "node:path";

/** A file or a folder; or "none", which lets every verified token in. */
export const policyPath = (written: string, folder: string): string =>
  written === "none" ? written : resolve(folder, written);
