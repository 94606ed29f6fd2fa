import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { Machines } from "../scripts/machines.js";
import { root } from "../scripts/run.js";
import { example, startExample } from "./fixtures/example-server.js";
import { freePort } from "./fixtures/free-port.js";

const machines = new Machines("recipes");

beforeAll(async () => {
  await machines.startRelay();
  await machines.run("laptop", "init", "--name", "Dev Laptop", "--backend", "encrypted-file");
});
afterAll(() => machines.close());

const makeToken = (...more: string[]) => machines.run("laptop", "provision", "--name", "orders-api", ...more);
const hello = (url: string) => machines.run("laptop", "request", "GET", `${url}/api/hello`);

/** Mounts everything read-only but one folder, then becomes the program. */
const confine = 'mount --bind "$0" "$0" && mount -o remount,bind,ro / && exec "$@"';

/** The server of a container: a root and a home that cannot be written, one folder that can. */
async function startConfined(volume: string, env: Readonly<Record<string, string>>) {
  mkdirSync(volume, { recursive: true, mode: 0o700 });
  const host = `127.0.0.1:${await freePort()}`;
  const own = { AUTH_MESH_DIR: join(volume, "amesh"), HOME: "/nonexistent", AMESH_AUDIENCE: host };
  const program = [process.execPath, example("container/server.js")];
  const child = spawn("unshare", ["--map-root-user", "--mount", "sh", "-c", confine, volume, ...program], {
    env: { PATH: process.env["PATH"], PORT: host.split(":")[1], ...own, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGTERM");
      await once(child, "close");
    }
    return child.exitCode;
  };
  onTestFinished(async () => void (await stop()));
  const log: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => log.push(line));
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  expect(line).toMatch(/^listening/);
  return { url: `http://${host}`, log, stop };
}

describe("a container with a read-only root", () => {
  test("keeps its identity on a volume, and needs its token at the first start alone", async () => {
    const volume = join(machines.folder, "volume");
    const token = await makeToken();
    const first = await startConfined(volume, { AMESH_BOOTSTRAP_TOKEN: token });
    expect(await hello(first.url)).toContain('{"hello":"Dev Laptop"}');
    expect(await first.stop()).toBe(0);
    expect(first.log.join("\n")).toContain("added as controller by AMESH_BOOTSTRAP_TOKEN");
    expect(first.log.join("\n")).not.toContain(token);

    const later = await startConfined(volume, {});
    expect(await hello(later.url)).toContain('{"hello":"Dev Laptop"}');
    expect(await later.stop()).toBe(0);
    const withToken = await startConfined(volume, { AMESH_BOOTSTRAP_TOKEN: token });
    expect(await hello(withToken.url)).toContain('{"hello":"Dev Laptop"}');
    expect(withToken.log.join("\n")).toContain("is ignored");
    expect(readdirSync(volume)).toEqual(["amesh"]);
  });

  test("has a fresh identity at each start, and the controller that waits lists it", async () => {
    const waiting = machines.amesh("laptop", "provision", "--name", "orders-api", "--wait", "--json");
    const { token } = await waiting.event("token");
    const ids = new Set<string>();
    for (const start of ["first", "second"]) {
      const volume = join(machines.folder, start);
      const { url, stop } = await startConfined(volume, { AMESH_BOOTSTRAP_TOKEN: token });
      expect(await hello(url)).toContain('{"hello":"Dev Laptop"}');
      if (start === "first") expect((await waiting.event("paired")).friendlyName).toBe("orders-api");
      await stop();
      const own = machines.start([join(root, "packages/cli/bin/amesh.js"), "list", "--json"], {
        env: { AUTH_MESH_DIR: join(volume, "amesh") },
      });
      await own.ended;
      ids.add(JSON.parse(own.lines[0] ?? "{}").device.deviceId);
    }
    expect(ids.size).toBe(2);
  });

  test("that is given a token for another machine lets nobody in and says what mends it", async () => {
    const volume = join(machines.folder, "elsewhere");
    const token = await makeToken("--host", "another-machine");
    const { url, log } = await startConfined(volume, { AMESH_BOOTSTRAP_TOKEN: token });
    expect((await fetch(`${url}/health`)).status).toBe(200);
    await expect(hello(url)).rejects.toThrow("ended with");
    expect(log.join("\n")).toContain("bootstrap_host_mismatch");
    expect(log.join("\n")).toContain("amesh provision --name NAME --host HOST");
    expect(existsSync(join(volume, "amesh"))).toBe(false);
  });
});

describe("a CI runner", () => {
  test("with persistent state is paired once and calls in every job", async () => {
    await machines.run("service", "init", "--name", "the service", "--backend", "encrypted-file");
    await machines.run("runner", "init", "--name", "ci runner", "--backend", "encrypted-file");
    await machines.pair("runner", "service");
    const { url } = await startExample(machines, "container/server.js", "service");
    for (let job = 0; job < 2; job++) {
      const call = machines.start([example("ci-runner/call.js"), url], { machine: "runner" });
      expect(await call.ended).toBe(0);
      expect(call.lines).toEqual(['200 {"hello":"ci runner"}']);
    }
  });

  test("without any state deploys a preview, calls it, and leaves nothing behind", async () => {
    const [bin, work] = ["bin", "work"].map((name) => join(machines.folder, name)) as [string, string];
    for (const folder of [bin, work]) mkdirSync(folder);
    const amesh = join(bin, "amesh");
    const command = `exec "${process.execPath}" "${join(root, "packages/cli/bin/amesh.js")}" "$@"`;
    writeFileSync(amesh, `#!/bin/sh\n${command}\n`);
    chmodSync(amesh, 0o755);
    const host = `127.0.0.1:${await freePort()}`;
    const job = spawn(
      "sh",
      [example("ci-runner/preview.sh"), `http://${host}`, process.execPath, example("container/server.js")],
      {
        env: {
          PATH: `${bin}:${process.env["PATH"]}`,
          TMPDIR: work,
          PORT: host.split(":")[1],
          AMESH_AUDIENCE: host,
          AMESH_RELAY_URL: "ws://127.0.0.1:9/ws",
        },
        stdio: ["ignore", "pipe", "pipe"],
      },
    );
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const)
      job[name].setEncoding("utf8").on("data", (text: string) => {
        said[name] += text;
      });
    const [status] = await once(job, "close");
    expect([status, said.stdout]).toEqual([0, expect.stringContaining('{"hello":"ci job"}')]);
    expect(said.stdout + said.stderr).not.toContain("eyJ");
    expect(readdirSync(work)).toEqual([]);
  });
});
