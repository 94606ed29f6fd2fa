import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type OpenPolicyOptions, openPolicy, type PolicyEvent } from "@authmesh/oath/node";
import { describe, expect, it, onTestFinished } from "vitest";
import { newFolder } from "./fixtures/folder.js";
import { input, policy } from "./fixtures/policies.js";

const yaml = (name: string) => `version: 1\nrules:\n  - { name: ${name}, effect: allow, match: all }\n`;
const silent = { info() {}, warn() {}, error() {} };

/** A policy that is followed, and what it tells, one after the other. */
async function follow(path: string, options: OpenPolicyOptions = {}) {
  const events: PolicyEvent[] = [];
  let wake = () => {};
  const onEvent = (event: PolicyEvent) => {
    events.push(event);
    wake();
  };
  const engine = await openPolicy(path, { logger: silent, onEvent, ...options });
  onTestFinished(() => engine.close());
  const next = async (): Promise<PolicyEvent> => {
    const started = performance.now();
    while (events.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    // A second is promised; a busy machine gets another one.
    expect(performance.now() - started).toBeLessThan(2000);
    return events.shift() as PolicyEvent;
  };
  return { engine, next, events, rule: () => engine.decide(input()).rule };
}

describe("a policy on disk", () => {
  it.each<[string, (path: string) => void]>([
    ["is written over", (path) => writeFileSync(path, yaml("b"))],
    [
      "is renamed into its place",
      (path) => {
        writeFileSync(`${path}.new`, yaml("b"));
        renameSync(`${path}.new`, path);
      },
    ],
    [
      "is deleted and made anew",
      (path) => {
        unlinkSync(path);
        writeFileSync(path, yaml("b"));
      },
    ],
    [
      "is emptied and then written, as some editors do",
      (path) => {
        truncateSync(path, 0);
        setTimeout(() => writeFileSync(path, yaml("b")), 10);
      },
    ],
  ])("decides anew within a second when it %s", async (_, change) => {
    const path = join(newFolder(), "policy.yaml");
    writeFileSync(path, yaml("a"));
    const { engine, next, rule } = await follow(path, { now: () => 1_800_000_000_999 });
    const before = engine.digest;
    expect(rule()).toBe("a");
    change(path);
    expect(await next()).toEqual({
      type: "dev.authmesh.policy.reloaded",
      time: 1_800_000_000,
      proven: true,
      data: { path, before, after: engine.digest, files: ["policy.yaml"], rules: 1 },
    });
    expect(engine.digest).not.toBe(before);
    expect(rule()).toBe("b");
    expect(engine.explain(input()).decision.rule).toBe("b");
  });

  it("warns of a file that is gone, for what it denied is denied no more", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "1.yaml"), yaml("a"));
    writeFileSync(join(folder, "2.yaml"), yaml("b"));
    const warnings: string[] = [];
    const logger = { ...silent, warn: (message: string) => void warnings.push(message) };
    const { next } = await follow(folder, { logger });
    writeFileSync(join(folder, "1.yaml"), yaml("c"));
    expect((await next()).data).not.toHaveProperty("gone");
    unlinkSync(join(folder, "2.yaml"));
    expect((await next()).data).toMatchObject({ files: ["1.yaml"], gone: ["2.yaml"] });
    expect(warnings).toEqual(["a new policy decides, without 2.yaml"]);
  });

  it.each(["10-deny.YAML", "10-deny.Yml", "10-deny.JSON", "10-deny.PKL"])(
    "is not read without a file that is called %s",
    async (name) => {
      const folder = newFolder();
      writeFileSync(join(folder, "20-allow.yaml"), yaml("a"));
      const { engine, next } = await follow(folder);
      writeFileSync(join(folder, name), yaml("b"));
      expect((await next()).data.problem).toContain(name);
      expect(engine.refused).toContain("lower case");
      await expect(openPolicy(folder)).rejects.toMatchObject({ code: "policy_invalid" });
    },
  );

  it("decides anew when a volume of Kubernetes swaps its link", async () => {
    const folder = newFolder();
    const publish = (version: string, name: string) => {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, "policy.yaml"), yaml(name));
      symlinkSync(version, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
    };
    publish("..2026_01", "a");
    symlinkSync("..data/policy.yaml", join(folder, "policy.yaml"));
    const { next, rule } = await follow(folder);
    const single = await follow(join(folder, "policy.yaml"));
    expect(rule()).toBe("a");
    publish("..2026_02", "b");
    rmSync(join(folder, "..2026_01"), { recursive: true });
    await Promise.all([next(), single.next()]);
    expect(rule()).toBe("b");
    expect(single.rule()).toBe("b");
  });

  it("is looked at even where nothing can be watched, as behind a link further up", async () => {
    const folder = newFolder();
    for (const name of ["a", "b"]) {
      mkdirSync(join(folder, name, "deep"), { recursive: true });
      writeFileSync(join(folder, name, "deep", "policy.yaml"), yaml(name));
      symlinkSync(name, join(folder, `to-${name}`));
    }
    const { next, rule } = await follow(join(folder, "to-a", "deep", "policy.yaml"));
    expect(rule()).toBe("a");
    renameSync(join(folder, "to-b"), join(folder, "to-a"));
    await next();
    expect(rule()).toBe("b");
  });

  it("stays as it was when the new one cannot be used, and says so once", async () => {
    const folder = newFolder();
    const path = join(folder, "policy.yaml");
    writeFileSync(path, yaml("a"));
    const said: [string, object | undefined][] = [];
    const logger = { ...silent, error: (message: string, fields?: object) => said.push([message, fields]) };
    const { engine, next, events, rule } = await follow(path, { logger });
    writeFileSync(path, yaml("b").replace("effect", "efect"));
    const problem = `${path}:3:16: rules[0].efect is not a member there is. Did you mean effect? And 1 more.`;
    expect(await next()).toMatchObject({
      type: "dev.authmesh.policy.refused",
      data: { path, before: engine.digest, problem },
    });
    expect(engine.refused).toBe(problem);
    expect(rule()).toBe("a");
    unlinkSync(path);
    expect((await next()).data.problem).toMatch(/cannot be read: ENOENT/);
    writeFileSync(path, yaml("c"));
    expect((await next()).type).toBe("dev.authmesh.policy.reloaded");
    expect(rule()).toBe("c");
    expect(engine.refused).toBeUndefined();
    expect(events).toEqual([]);
    expect(said.map(([, fields]) => fields)).toEqual([
      { path, before: expect.any(String), problem },
      { path, before: expect.any(String), problem: expect.stringContaining("ENOENT") },
    ]);
  });

  it("is not taken halfway, however slowly it is written", async () => {
    const path = join(newFolder(), "policy.json");
    const whole = JSON.stringify(policy({ match: "all", name: "z" }));
    writeFileSync(path, JSON.stringify(policy({ match: "all", name: "a" })));
    const { next, rule } = await follow(path);
    for (let end = 0; end <= whole.length; end += 8) {
      writeFileSync(path, whole.slice(0, end));
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(rule()).toBe("a");
    }
    writeFileSync(path, whole);
    // On a busy machine a half may stay for so long that it is read; it is refused then.
    while ((await next()).type !== "dev.authmesh.policy.reloaded");
    expect(rule()).toBe("z");
  });

  it("is all files of a folder in the order of their names, whatever else is there", async () => {
    const folder = newFolder();
    writeFileSync(join(folder, "20-b.json"), JSON.stringify(policy({ name: "b", match: "all" })));
    writeFileSync(join(folder, "10-a.yml"), yaml("a").replace("match: all", "env: prod"));
    writeFileSync(join(folder, ".hidden.yaml"), "nonsense");
    writeFileSync(join(folder, "20-b.json~"), "nonsense");
    writeFileSync(join(folder, "README.md"), "# What this is");
    const { engine, next, rule } = await follow(folder);
    expect(engine.files).toEqual(["10-a.yml", "20-b.json"]);
    expect(engine.decide(input({ env: "prod" })).rule).toBe("a");
    expect(rule()).toBe("b");
    writeFileSync(join(folder, "00-c.yaml"), yaml("c"));
    await next();
    expect(rule()).toBe("c");
    writeFileSync(join(folder, "30-c.yaml"), yaml("c"));
    expect((await next()).data.problem).toBe(
      "The policy cannot be used: rules[3].name is the name of another rule: c.",
    );
  });

  it.each<[string, (folder: string) => string, string]>([
    ["is not there", (folder) => join(folder, "policy.yaml"), "storage_failed"],
    ["is an empty folder", (folder) => folder, "policy_invalid"],
    ["has another kind of name", (folder) => write(folder, "policy.txt", yaml("a")), "policy_invalid"],
    ["cannot be used", (folder) => write(folder, "policy.yaml", "rules: []"), "policy_invalid"],
    ["is not UTF-8", (folder) => write(folder, "policy.yaml", Buffer.from([0xff])), "policy_invalid"],
    ["is too long", (folder) => write(folder, "policy.yaml", "#".repeat(1_048_577)), "policy_invalid"],
    [
      "is too long in several files",
      (folder) => {
        write(folder, "a.yaml", `${yaml("a")}${"#".repeat(700_000)}`);
        write(folder, "b.yaml", `${yaml("b")}${"#".repeat(700_000)}`);
        return folder;
      },
      "policy_invalid",
    ],
    [
      "is a pipe",
      (folder) => {
        execFileSync("mkfifo", [join(folder, "policy.yaml")]);
        return join(folder, "policy.yaml");
      },
      "policy_invalid",
    ],
    [
      "is a folder of that name",
      (folder) => {
        mkdirSync(join(folder, "policy.yaml"));
        return folder;
      },
      "policy_invalid",
    ],
  ])("does not open where it %s", async (_, path, code) => {
    await expect(openPolicy(path(newFolder()))).rejects.toMatchObject({ code });
  });

  it("is followed even if whoever is told throws", async () => {
    const path = join(newFolder(), "policy.yaml");
    writeFileSync(path, yaml("a"));
    let told = () => {};
    const isTold = new Promise<void>((resolve) => (told = resolve));
    const fail = () => {
      told();
      throw new Error("no");
    };
    const { engine } = await follow(path, { logger: { info: fail, warn: fail, error: fail }, onEvent: fail });
    writeFileSync(path, yaml("b"));
    await isTold;
    expect(engine.decide(input()).rule).toBe("b");
  });

  it("goes on deciding when it is closed, and follows no more", async () => {
    const folder = newFolder();
    const path = write(folder, "policy.yaml", yaml("a"));
    const { engine, events, rule } = await follow(path);
    const witness = await follow(path);
    engine.close();
    writeFileSync(path, yaml("b"));
    await witness.next();
    expect(rule()).toBe("a");
    expect(events).toEqual([]);
    expect(readdirSync(folder)).toEqual(["policy.yaml"]);
  });
});

function write(folder: string, name: string, content: string | Uint8Array): string {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
}
