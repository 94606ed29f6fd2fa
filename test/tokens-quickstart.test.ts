import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../scripts/run.js";
import { freePort } from "./fixtures/free-port.js";
import { Terminal } from "./fixtures/terminal.js";
import { type Entry, patternOf, readTranscript } from "./fixtures/transcript.js";

const page = readFileSync(join(root, "docs/guide/tokens-quickstart.md"), "utf8");
/** A repository with the two examples alone. */
const clone = mkdtempSync(join(tmpdir(), "amesh-quickstart-"));
const examples = ["examples/token-api", "examples/github-actions"];
/** These go on until they are interrupted. */
const isService = ({ command }: Entry) =>
  /^(amesh authority serve|node server\.js|node stand-in\.js)/.test(command);

const terminals = new Map<string, Terminal>();
/** The ports of the guide, each with one that is free. */
const ports = new Map<string, number>();

const onFreePorts = (text: string) =>
  text.replace(/\b(?:4000|4100|8081)\b/g, (port) => String(ports.get(port)));

beforeAll(async () => {
  for (const port of ["4000", "4100", "8081"]) ports.set(port, await freePort());
  symlinkSync(join(root, "node_modules"), join(clone, "node_modules"));
  // What a person who followed the page left behind is no part of it.
  const listed = ["ls-files", "--cached", "--others", "--exclude-standard", ...examples];
  const files = execFileSync("git", listed, { cwd: root, encoding: "utf8" }).trim().split("\n");
  for (const file of files) {
    mkdirSync(dirname(join(clone, file)), { recursive: true });
    writeFileSync(join(clone, file), onFreePorts(readFileSync(join(root, file), "utf8")));
  }
});

afterAll(async () => {
  await Promise.all([...terminals.values()].map((terminal) => terminal.close()));
  rmSync(clone, { recursive: true });
});

function terminalOf({ terminal: name }: Entry): Terminal {
  const { PATH } = process.env;
  const env = { PATH, HOME: join(clone, "home"), NO_COLOR: "1", NODE_NO_WARNINGS: "1" };
  const terminal = terminals.get(name) ?? new Terminal({ cwd: clone, env });
  terminals.set(name, terminal);
  return terminal;
}

async function follow(entry: Entry): Promise<void> {
  const terminal = terminalOf(entry);
  if (entry.command === "^C") {
    terminal.interrupt();
    await terminal.ends();
    return;
  }
  const expected = patternOf(entry.shown.map(onFreePorts));
  terminal.type(onFreePorts(entry.command));
  if (isService(entry)) await terminal.shows(expected);
  else expect(await terminal.ends()).toMatch(expected);
}

describe("docs/guide/tokens-quickstart.md", () => {
  const sections = page
    .split(/^(?=## )/m)
    .map((text) => [/^## (.*)|/.exec(text)?.[1] ?? "what it needs", text] as const);

  test.each(sections)("%s: each command shows what the page says", async (_title, text) => {
    const entries = readTranscript(text);
    expect(entries).not.toEqual([]);
    for (const entry of entries) await follow(entry);
  });

  test.each(["token-api/authority.yaml", "github-actions/order.sh", "github-actions/deploy.yml"])(
    "shows %s as it is",
    (file) => expect(page).toContain(`\n${readFileSync(join(root, "examples", file), "utf8")}\`\`\``),
  );
});
