/**
 * Checks that every relative link in a Markdown file leads to a file of the repository, that the index has every guide, and
 * that `vitest -t` finds the tests which SECURITY.md names by their titles, and skips none of them.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./run.js";

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
  cwd: root,
  encoding: "utf8",
});
const pages = files.split("\n").filter(Boolean);
const index = readFileSync(join(root, "docs/guide/index.md"), "utf8");
const broken = [];
for (const file of pages) {
  const text = readFileSync(join(root, file), "utf8").replace(/```[\s\S]*?```/g, "");
  for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link) || link.startsWith("#")) continue;
    const path = join(root, dirname(file), link.split("#")[0]);
    if (!existsSync(path)) broken.push(`${file}: ${link}`);
  }
}
const missing = pages.filter(
  (file) =>
    /^docs\/guide\/(?!index\.md)/.test(file) && !index.includes(`](${file.slice("docs/guide/".length)})`),
);
const unshown = [];
for (const [, title, file] of readFileSync(join(root, "SECURITY.md"), "utf8").matchAll(
  /\[([^\]]+)\]\(([^)\s]+\.test\.ts)\)/g,
)) {
  const problem = problemOf(title, join(root, file));
  if (problem !== undefined) unshown.push(`"${title}" in ${file}: ${problem}`);
}
for (const line of broken) console.error(`amesh: error: broken link in ${line}`);
for (const file of missing) console.error(`amesh: error: docs/guide/index.md does not list ${file}`);
for (const test of unshown)
  console.error(`amesh: error: SECURITY.md names a test that nobody can run: ${test}`);
process.exitCode = broken.length + missing.length + unshown.length === 0 ? 0 : 1;

/** Why a test does not show what SECURITY.md says, undefined if it does. */
function problemOf(title, file) {
  if (/%[a-zA-Z#$]|\$\{/.test(title)) return "vitest puts something else into its title";
  if (!existsSync(file)) return "there is no such file";
  const code = readFileSync(file, "utf8").replace(/^\s*(?:\/\/.*|\/\*[\s\S]*?\*\/)$/gm, "");
  if (!code.includes(title)) return "there is no such test";
  if (/\b(?:test|it|describe)\.(?:\w+\.)*(?:skip|todo)\b/.test(code)) return "the file skips tests";
  return undefined;
}
