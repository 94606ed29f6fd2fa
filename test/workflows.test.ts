import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "../scripts/run.js";

interface Job {
  readonly permissions?: Record<string, string>;
  readonly needs?: string | readonly string[];
  readonly strategy?: { readonly matrix: Readonly<Record<string, readonly string[]>> };
  readonly steps: readonly { uses?: string; run?: string; with?: Record<string, unknown> }[];
}
interface Workflow {
  readonly permissions: Record<string, string>;
  readonly concurrency: object;
  readonly jobs: Record<string, Job>;
}

const folder = join(root, ".github/workflows");
const read = (file: string) => readFileSync(join(folder, file), "utf8");
const workflow = (file: string): Workflow => parse(read(file));

describe.each(readdirSync(folder))("the workflow %s", (file) => {
  const { permissions, concurrency, jobs } = workflow(file);
  const steps = Object.values(jobs).flatMap((job) => job.steps);

  test("takes each action at one commit, with its version beside it", () => {
    const lines = read(file).match(/uses:.*/g) ?? [];
    expect(lines).toHaveLength(steps.filter(({ uses }) => uses !== undefined).length);
    for (const line of lines) expect(line).toMatch(/^uses: actions\/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$/);
  });

  test("grants nothing by itself, and each job what it states", () => {
    expect(permissions).toEqual({});
    expect(concurrency).toBeDefined();
    for (const job of Object.values(jobs)) expect(job.permissions).toBeDefined();
  });

  test("knows no secret, and keeps no credentials where a build could read them", () => {
    expect(read(file)).not.toMatch(
      /secrets\.|_TOKEN(?!: \$\{\{ github\.token \}\})|_authToken|pull_request_target/,
    );
    for (const step of steps.filter(({ uses }) => uses?.startsWith("actions/checkout@")))
      expect(step.with).toMatchObject({ "persist-credentials": false });
  });

  test("puts no expression into a shell", () => {
    for (const { run } of steps) expect(run ?? "").not.toContain("${{");
  });
});

test("every change is tried on the oldest Node.js that is supported, and on that of the images", () => {
  const { engines } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  const image = /^ARG NODE=node:(\d+)\./m.exec(readFileSync(join(root, "deploy/docker/Dockerfile"), "utf8"));
  const { strategy, steps } = workflow("ci.yml").jobs["test"] ?? { steps: [] };
  expect(strategy?.matrix).toEqual({ node: [engines.node.slice(">=".length), image?.[1]] });
  expect(steps.map((step) => step.with?.["node-version"])).toContainEqual(
    expect.stringContaining("matrix.node"),
  );
});

test("a release is published by one job, which runs no code of the repository, after everything was checked", () => {
  const { jobs } = workflow("release.yml");
  const publishers = Object.values(jobs).filter(({ permissions }) => permissions?.["id-token"] !== undefined);
  expect(publishers).toEqual([jobs["publish"]]);
  expect(jobs["publish"]?.needs).toEqual(["build", "test"]);
  expect(jobs["publish"]?.permissions).toEqual({ "id-token": "write" });
  const text = JSON.stringify(jobs["publish"]);
  expect(text).not.toMatch(/checkout|npm (ci|install|run)|node /);
  expect(text).toContain("npm publish");
  expect(text).toContain("--provenance");
  expect(JSON.stringify(jobs)).not.toContain("cache");
  expect(JSON.stringify(jobs["build"])).toContain("check:packages -- --require-audit");
});
