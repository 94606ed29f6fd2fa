/** Checks that every relative link in a Markdown file leads to a file of the repository, and that the index has every guide. */
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
for (const line of broken) console.error(`amesh: error: broken link in ${line}`);
for (const file of missing) console.error(`amesh: error: docs/guide/index.md does not list ${file}`);
process.exitCode = broken.length + missing.length === 0 ? 0 : 1;
