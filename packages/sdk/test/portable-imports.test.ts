import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { machine } from "../src/machine/portable.js";
import { silent } from "./fixtures/pair.js";

const packages = fileURLToPath(new URL("../..", import.meta.url));
const entries: Readonly<Record<string, string>> = {
  "@authmesh/core": join(packages, "core/src/index.ts"),
  "@authmesh/core/enrollment": join(packages, "core/src/enrollment/index.ts"),
  "@authmesh/core/records": join(packages, "core/src/records.ts"),
  "@authmesh/oath/audit": join(packages, "oath/src/audit/index.ts"),
  "@authmesh/oath/caller": join(packages, "oath/src/caller/index.ts"),
  "@authmesh/oath/feed": join(packages, "oath/src/feed/index.ts"),
  "@authmesh/oath/logger": join(packages, "oath/src/logger.ts"),
  "@authmesh/oath/timing": join(packages, "oath/src/timing/index.ts"),
  "@authmesh/oath": join(packages, "oath/src/index.ts"),
  "#crypto": join(packages, "core/src/crypto/portable.ts"),
  "#machine": join(packages, "sdk/src/machine/portable.ts"),
};

/** Everything that a module imports at run time on a runtime that is not Node.js; foreign packages by their names. */
function importsOf(file: string, seen = new Map<string, string>()): string[] {
  const source = readFileSync(file, "utf8");
  const specifiers = source.matchAll(
    /^(?:import|export)\s(?!type\b)[^;]*?\sfrom "([^"]+)";|^import "([^"]+)";/gm,
  );
  for (const [, from, bare] of specifiers) {
    const specifier = (from ?? bare) as string;
    const path = specifier.startsWith(".")
      ? join(dirname(file), specifier.replace(/\.js$/, ".ts"))
      : entries[specifier];
    if (seen.has(path ?? specifier)) continue;
    seen.set(path ?? specifier, specifier);
    if (path !== undefined) importsOf(path, seen);
  }
  return [...seen.keys()];
}

test.each(["fetch", "hono", "next-edge"])("/%s imports nothing of Node.js where there is none", (subpath) => {
  const imports = importsOf(join(packages, "sdk/src", `${subpath}.ts`));
  expect(imports).toContain(join(packages, "oath/src/verify/verifier.ts"));
  const foreign = imports.filter((each) => !each.startsWith(packages));
  expect(foreign.filter((each) => !/^(@noble\/|structured-headers$)/.test(each))).toEqual([]);
});

test("the search finds what Node.js's own adapters import", () => {
  expect(importsOf(join(packages, "sdk/src/node.ts"))).toContain("node:diagnostics_channel");
});

test("where there are no files, a trust store must be given, and nothing is decoded", () => {
  expect(() => machine.localTrust(undefined, silent)).toThrow(TypeError);
  expect([machine.mayHaveSiblings(), machine.contentEncodings.size]).toEqual([true, 0]);
});
