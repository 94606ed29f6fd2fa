/** Checks that every relative link in a Markdown file leads to a file of the repository. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root } from "./run.js";

const files = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
  cwd: root,
  encoding: "utf8",
});
const broken = [];
for (const file of files.split("\n").filter(Boolean)) {
  const text = readFileSync(join(root, file), "utf8").replace(/```[\s\S]*?```/g, "");
  for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link) || link.startsWith("#")) continue;
    const path = join(root, dirname(file), link.split("#")[0]);
    if (!existsSync(path)) broken.push(`${file}: ${link}`);
  }
}
for (const line of broken) console.error(`amesh: error: broken link in ${line}`);
process.exitCode = broken.length === 0 ? 0 : 1;
