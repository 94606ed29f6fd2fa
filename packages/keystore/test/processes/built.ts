import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../../", import.meta.url));

/** Child processes run what is built; nothing happens when it is up to date. */
export function buildPackage(name: string): void {
  const typescript = dirname(createRequire(import.meta.url).resolve("typescript/package.json"));
  execFileSync(process.execPath, [join(typescript, "bin/tsc"), "-b", `packages/${name}`], { cwd: root });
}

export const build = (): void => buildPackage("keystore");
