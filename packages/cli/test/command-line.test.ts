import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { keyStoreEnvironment } from "../src/key-store-environment.js";
import { formatManual } from "../src/manual.js";
import { verbs } from "../src/verbs.js";
import { bin, TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const machine = new TestMachine();
afterAll(() => machine.remove());

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

describe("amesh", () => {
  it.each(["--version", "-v"])("says its version: %s", async (flag) => {
    expect(await machine.run([flag])).toEqual({ status: 0, stdout: `${version}\n`, stderr: "" });
    expect(documentOf(await machine.run([flag, "--json"]))).toEqual({ schema: 1, version });
  });

  it("imports nothing but itself to say its version", async () => {
    const { stderr } = await machine.run(["--version"], { env: { NODE_DEBUG: "esm" } });
    expect(stderr).toContain("dist/main.js");
    expect(stderr).not.toMatch(/node_modules|packages\/(core|keystore|sdk|relay)\//);
  });

  it.each([[[]], [["--help"]], [["-h"]], [["help"]]])("lists its commands: %j", async (args) => {
    const { status, stdout, stderr } = await machine.run(args);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const unwrapped = stdout.replace(/\n {9,}/g, " ");
    for (const { name, summary } of verbs)
      expect(unwrapped).toMatch(new RegExp(`^  ${name} +${summary}$`, "m"));
    for (const name of [
      "AMESH_AUDIENCE",
      "AMESH_BOOTSTRAP_TOKEN",
      "AMESH_MAX_CONTROLLERS",
      "AMESH_RELAY_URL",
    ])
      expect(stdout).toContain(`  ${name} `);
  });

  it("knows no other commands and says which one may have been meant", async () => {
    const unknown = await machine.run(["lsit"]);
    expect(unknown).toEqual({ status: 2, ...failed("invalid_option", "Did you mean `amesh list`?") });
    expect(await machine.run(["xyzzy"])).toEqual({
      status: 2,
      ...failed("invalid_option", /hint: `amesh --help`/),
    });
    expect((await machine.run(["__proto__"])).status).toBe(2);
  });

  it("shows what is unseen in what it was given", async () => {
    const { stderr } = await machine.run(["\u001b[31mred\u202e"]);
    expect(stderr).toContain('"\\u001b[31mred\\u202e"');
  });

  it("stops without a word when nobody reads on", () => {
    const script = `"${process.execPath}" "${bin}" explain | true`;
    const { stdout, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
    expect(stdout).toBe("");
    expect(stderr).not.toMatch(/EPIPE|error/);
  });
});

describe("a group of commands", () => {
  it("shows its commands, and that one is missing", async () => {
    const asked = await machine.run(["identity", "--help"]);
    expect(asked).toMatchObject({ status: 0, stderr: "" });
    expect(asked.stdout).toMatch(/^Usage:\n {2}amesh identity COMMAND /);
    for (const { name, summary } of verbs.filter(({ name }) => name.startsWith("identity ")))
      expect(asked.stdout).toContain(`\n  ${name.slice("identity ".length)}  ${summary}\n`);
    expect(await machine.run(["help", "identity"])).toEqual(asked);
    const missing = { status: 2, stdout: "", stderr: asked.stdout };
    expect(await machine.run(["identity"])).toEqual(missing);
    expect(await machine.run(["identity", "--no-input"])).toEqual(missing);
    const { status, stderr, ...json } = await machine.run(["identity", "--json"]);
    expect({ status, stderr }).toEqual({ status: 2, stderr: "" });
    expect(documentOf(json).error.code).toBe("invalid_option");
  });

  it("shows the manual of each in two ways", async () => {
    const asked = await machine.run(["identity", "export", "--help"]);
    expect(asked).toMatchObject({ status: 0, stdout: expect.stringMatching(/^amesh identity export: /) });
    expect(await machine.run(["help", "identity", "export"])).toEqual(asked);
  });

  it("says which command may have been meant, in the group or in front of it", async () => {
    const meant = (fix: string) => ({ status: 2, ...failed("invalid_option", fix) });
    expect(await machine.run(["identity", "exprot"])).toEqual(
      meant("Did you mean `amesh identity export`? `amesh identity --help` lists them."),
    );
    expect(await machine.run(["idnetity", "export"])).toEqual(meant("Did you mean `amesh identity`?"));
    expect(await machine.run(["help", "identity", "xyzzy"])).toEqual(meant("hint: `amesh identity --help`"));
  });
});

describe("output", () => {
  it("that cannot be written is an error", () => {
    const script = `"${process.execPath}" "${bin}" explain clock_skew > /dev/full`;
    const { status, stderr } = spawnSync("bash", ["-c", script], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: "amesh: error: standard output cannot be written: ENOSPC\n",
    });
  });

  it("has colours on a terminal that shows them, and nowhere else", async () => {
    const args = ["doctor", "--offline"];
    const coloured = "\u001b[32mOK\u001b[39m    Node.js";
    expect((await machine.runInTerminal(args)).screen).toContain(coloured);
    const plain = await Promise.all([
      machine.runInTerminal(args, [], { NO_COLOR: "1" }),
      machine.runInTerminal(args, [], { TERM: "dumb" }),
    ]);
    const piped = await machine.run(args);
    for (const text of [...plain.map(({ screen }) => screen), piped.stdout, piped.stderr])
      expect(text).not.toContain("\u001b");
  });
});

describe("a mistake in amesh itself", () => {
  it("is an error with a name, and shows no stack", async () => {
    const env = { NODE_OPTIONS: "--import data:text/javascript,Math.max=undefined" };
    expect(await machine.run(["explain"], { env })).toEqual({
      status: 1,
      ...failed("unexpected_error", "AMESH_DEBUG=1"),
    });
  });
});

describe("every command", () => {
  it.each(verbs)("has a manual: $name", async (row) => {
    const manual = formatManual(row, (await row.load()).verb.manual);
    expect(manual).toMatch(new RegExp(`^amesh ${row.name}: `));
    for (const title of ["Usage", "Options", "Environment", "Exit status", "Examples"])
      expect(manual).toContain(`\n${title}:\n`);
    expect(manual).toContain("AUTH_MESH_DIR");
    for (const line of manual.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  });

  it("lists what decides how a key store is opened, unless it opens none", async () => {
    const without =
      /^(explain|register|audit .*|policy .*|gateway (check|schema)|token (exchange|inspect|verify)|relay)$/;
    for (const row of verbs) {
      const manual = formatManual(row, (await row.load()).verb.manual);
      const missing = keyStoreEnvironment.filter(([name]) => !manual.includes(`  ${name} `));
      expect([row.name, missing.length === 0]).toEqual([row.name, !without.test(row.name)]);
    }
  });

  it("shows its manual in two ways", async () => {
    const asked = await machine.run(["revoke", "--help"]);
    expect(asked).toMatchObject({ status: 0, stderr: "", stdout: expect.stringMatching(/^amesh revoke: /) });
    expect(await machine.run(["help", "revoke"])).toEqual(asked);
  });

  it.each(verbs.map(({ name }) => name))("refuses flags it does not know: %s", async (name) => {
    const refused = { status: 2, ...failed("invalid_option", `\`amesh ${name} --help\``) };
    expect(await machine.run([...name.split(" "), "--frobnicate"])).toEqual(refused);
  });

  it("says which flag may have been meant", async () => {
    expect(await machine.run(["init", "--nmae", "x"])).toEqual({
      status: 2,
      ...failed("invalid_option", "Did you mean --name?"),
    });
  });

  it("refuses arguments that are missing or too many", async () => {
    expect(await machine.run(["invite"])).toEqual({
      status: 2,
      ...failed("invalid_option", "invite --help"),
    });
    expect(await machine.run(["list", "all"])).toEqual({
      status: 2,
      ...failed("invalid_option", "list --help"),
    });
  });

  it("says under --json what went wrong, on standard output alone", async () => {
    const result = await machine.run(["list", "--json"]);
    expect(result).toMatchObject({ status: 4, stderr: "" });
    expect(documentOf(result).error).toEqual({
      code: "identity_not_found",
      detail: expect.stringContaining(machine.dir),
      fix: expect.stringContaining("amesh init"),
    });
    expect(documentOf(await machine.run(["list", "--json", "--wrong"])).error.code).toBe("invalid_option");
    expect(documentOf(await machine.run(["lst", "--json"])).error.code).toBe("invalid_option");
  });

  it("shows where a failure comes from only when asked to", async () => {
    expect((await machine.run(["list"])).stderr).not.toMatch(/\n\s+at /);
    expect((await machine.run(["list"], { env: { AMESH_DEBUG: "1" } })).stderr).toMatch(/\n\s+at /);
  });
});

describe("docs/reference/cli.md", () => {
  it("says what the commands say", () => {
    const script = fileURLToPath(new URL("../../../scripts/generate-cli-reference.js", import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});
