/** `node scripts/check-release.js v0.1.0`: whether the tag, the packages and CHANGELOG.md agree. Prints the notes of the release. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packagesOf, readJson } from "./packages/workspace.js";
import { root } from "./run.js";

const tag = process.argv[2] ?? "";
const versions = [
  ["package.json", readJson(join(root, "package.json")).version],
  ...packagesOf(root).map(({ manifest }) => [manifest.name, manifest.version]),
];
const sections = readFileSync(join(root, "CHANGELOG.md"), "utf8").split(/^## /m);
const notes = sections.find((section) => section.split(/\s/, 1)[0] === tag.slice(1));
const problems = [
  ...versions
    .filter(([, version]) => `v${version}` !== tag)
    .map(([name, version]) => `${name} has the version ${version}, and the tag is ${tag || "missing"}`),
  ...(notes === undefined ? [`CHANGELOG.md has no section "## ${tag.slice(1)}"`] : []),
];
for (const problem of problems) console.error(`amesh: error: ${problem}`);
if (notes !== undefined) console.log(notes.slice(notes.indexOf("\n")).trim());
process.exitCode = problems.length === 0 ? 0 : 1;
