import { execFileSync } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, symlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { newFolder } from "./fixtures/folder.js";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const { resolve } = createRequire(import.meta.url);

it("asks for the package that is missing only where a policy in Cedar is made", () => {
  const compiler = join(dirname(resolve("typescript/package.json")), "bin/tsc");
  execFileSync(process.execPath, [compiler, "-b", here("..")]);
  const modules = join(newFolder(), "node_modules");
  const own = join(modules, "@authmesh", "oath");
  mkdirSync(own, { recursive: true });
  cpSync(here("../dist"), join(own, "dist"), { recursive: true });
  copyFileSync(here("../package.json"), join(own, "package.json"));
  symlinkSync(here("../../core"), join(modules, "@authmesh", "core"));
  symlinkSync(dirname(resolve("yaml/package.json")), join(modules, "yaml"));
  const script = `import { cedarPolicy } from "@authmesh/oath/cedar";
    try { cedarPolicy(""); } catch ({ code, fix }) { console.log(JSON.stringify({ code, fix })); }`;
  const args = ["--input-type=module", "--eval", script];
  const said = execFileSync(process.execPath, args, { cwd: dirname(modules), encoding: "utf8" });
  expect(JSON.parse(said)).toEqual({
    code: "package_missing",
    fix: expect.stringMatching(/^npm install @cedar-policy\/cedar-wasm@\^4/),
  });
});
