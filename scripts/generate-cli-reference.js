/**
 * Writes docs/reference/cli.md from the manuals of the commands. With --check it writes nothing and fails when the
 * file is not what it would write. Needs a build.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { formatManual, formatOverview } from "../packages/cli/dist/manual.js";
import { verbs } from "../packages/cli/dist/verbs.js";
import { root } from "./run.js";

const path = join(root, "docs/reference/cli.md");
const block = (text) => `\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;

const sections = [
  "# The command line\n",
  "What `amesh --help` and `amesh COMMAND --help` print. Written by `scripts/generate-cli-reference.js`.\n",
  block(formatOverview(verbs)),
];
for (const row of verbs) {
  const { verb } = await row.load();
  sections.push(`## amesh ${row.name}\n`, block(formatManual(row, verb.manual)));
}
const text = sections.join("\n");

if (!process.argv.includes("--check")) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
} else if (readFileSync(path, "utf8") !== text) {
  console.error("amesh: error: docs/reference/cli.md is not what the commands say");
  console.error("amesh: hint: node scripts/generate-cli-reference.js");
  process.exitCode = 1;
}
