import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { composeLaunches } from "./fixtures/deploy/compose.js";
import { kubernetesLaunches } from "./fixtures/deploy/kubernetes.js";
import { deployed, type Launch, type ProgramName } from "./fixtures/deploy/launch.js";
import { Stage } from "./fixtures/deploy/stage.js";
import { systemdLaunches } from "./fixtures/deploy/systemd.js";

const makeSecrets = (folder: string) => execFileSync("sh", [deployed("compose/make-secrets.sh"), folder]);

const statusOf = async (url: string) => (await fetch(url).catch(() => undefined))?.status;
const answers = (url: string) => vi.waitUntil(async () => (await statusOf(url)) === 200, 20_000);

/** Programs of a deployment that run, and are not yet told of an account. */
async function start(launches: readonly Launch[]) {
  const stage = await Stage.open(onTestFinished, makeSecrets);
  const running = launches.map((launch) => ({ launch, child: stage.start(launch, onTestFinished) }));
  const launchOf = (program: ProgramName) => launches.find((each) => each.program === program);
  await Promise.all(
    ["relay", "authority", "admin"].map((name) => answers(`${stage.url(name as "relay")}/health`)),
  );
  await Promise.all(["relay", "authority"].map((name) => answers(`${stage.url(name as "relay")}/ready`)));
  return { stage, running, launchOf };
}

/** The first steps of deploy/README.md. */
async function enroll(stage: Stage, launchOf: (program: ProgramName) => Launch | undefined) {
  const secret = join(stage.folder, "acme.secret");
  const issuer = ["--authority", "https://issuer.example.com"];
  const made = await stage.amesh(launchOf("authority"), ["authority", "account", "create", "@acme"]);
  expect(made).toMatchObject({ status: 0 });
  writeFileSync(secret, made.stdout);
  const codes = ["--secret-file", secret, "--recovery-codes-file", `${secret}.codes`];
  expect(await stage.amesh(undefined, ["onboard", "@acme", ...issuer, ...codes])).toMatchObject({
    status: 0,
  });
  const invite = [
    "enroll",
    "invite",
    "--scope",
    "feed:r",
    "--uses",
    "2",
    "--expires",
    "1h",
    "--auto-approve",
  ];
  const invitation = await stage.amesh(undefined, invite);
  const request = [
    "enroll",
    "request",
    ...issuer,
    "--account",
    "@acme",
    "--app",
    "gateway",
    "--scope",
    "feed:r",
  ];
  const asked = await stage.amesh(
    launchOf("gateway"),
    [...request, "--passcode-file", "-"],
    invitation.stdout,
  );
  expect(asked).toMatchObject({ status: 0 });
}

describe.runIf(process.getuid?.() === 0).each([
  ["compose.yaml", composeLaunches],
  ["the Kubernetes manifests", kubernetesLaunches],
  ["the systemd units", systemdLaunches],
])("as %s starts them", (_, launches) => {
  test("the programs answer their probes, let an enrolled machine through and end when told", async () => {
    const { stage, running, launchOf } = await start(launches());
    expect(await statusOf(`${stage.url("admin")}/ready`)).toBe(503);
    await enroll(stage, launchOf);
    await answers(`${stage.url("admin")}/ready`);

    const called = await stage.amesh(undefined, ["request", "GET", "http://api.example.com/orders"]);
    expect(called).toMatchObject({ status: 0, stdout: expect.stringContaining("{}") });
    expect(stage.subjects).toContainEqual(expect.stringMatching(/^am_/));

    const ends = running.map(async ({ launch, child }) => {
      const began = performance.now();
      child.kill("SIGTERM");
      const [status] = await once(child, "close");
      const seconds = (performance.now() - began) / 1000;
      return { program: launch.program, status, inTime: seconds < launch.patience };
    });
    expect(await Promise.all(ends)).toEqual(
      running.map(({ launch: { program } }) => ({ program, status: 0, inTime: true })),
    );
  }, 90_000);
});
