import { execFileSync, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import { defaultLimits } from "../src/limits.js";
import { runRelay } from "../src/main.js";
import { Device, pair, refusedUpgrade } from "./device.js";

/** Runs the relay in this process; `started` settles with the event that --json prints. */
function run(argv: readonly string[], env: Record<string, string> = {}) {
  const signals = new EventEmitter();
  const output = { stdout: "", stderr: "" };
  let onOutput = () => {};
  const collect = (name: keyof typeof output) => ({
    write(text: string) {
      output[name] += text;
      onOutput();
    },
  });
  const status = runRelay(argv, { env, signals, stdout: collect("stdout"), stderr: collect("stderr") });
  const started = new Promise<{ event: string; url: string; port: number }>((resolve, reject) => {
    onOutput = () => {
      if (output.stdout.endsWith("\n")) resolve(JSON.parse(output.stdout));
    };
    status.then(() => reject(new Error(output.stderr)), reject);
  });
  started.catch(() => {});
  onTestFinished(() => {
    signals.emit("SIGTERM");
    signals.emit("SIGTERM");
  });
  return { output, status, started, signals };
}

describe("the relay's command", () => {
  test("prints one event where a script can read the port, and the next step for a person", async () => {
    const { output, started, status, signals } = run(["--host", "127.0.0.1", "--port", "0", "--json"]);
    const event = await started;
    expect(event).toEqual({
      event: "listening",
      url: `ws://127.0.0.1:${event.port}/ws`,
      port: expect.any(Number),
    });
    expect(output.stdout.trimEnd()).not.toContain("\n");
    expect(output.stderr).toContain(`amesh listen --relay ${event.url}`);
    await pair(event.url);
    signals.emit("SIGINT");
    signals.emit("SIGINT");
    expect(await status).toBe(130);
  });

  test("without --json keeps standard output empty", async () => {
    const { output, status, signals } = run(["--host", "127.0.0.1", "--port", "0"]);
    await expect.poll(() => output.stderr).toContain("Next");
    signals.emit("SIGTERM");
    expect(await status).toBe(0);
    expect(output.stdout).toBe("");
  });

  test("on every address names the one this machine can dial", async () => {
    const { output, started } = run(["--port", "0", "--json"]);
    const { url } = await started;
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/ws$/);
    expect(output.stderr).toContain("0.0.0.0");
    await Device.open(url);
  });

  test("listens on IPv6 too", async () => {
    const { started } = run(["--host", "::1", "--port", "0", "--json"]);
    const { url } = await started;
    expect(url).toMatch(/^ws:\/\/\[::1\]:\d+\/ws$/);
    await Device.open(url);
  });

  test("takes HOST and PORT from the environment, and flags before them", async () => {
    const env = { HOST: "127.0.0.1", PORT: "0" };
    const { port } = await run(["--json"], env).started;
    expect(port).not.toBe(3001);
    const taken = run(["--port", String(port)], env);
    expect(await taken.status).toBe(1);
  });

  test("passes --trust-proxy, --allow-origin and --limit on", async () => {
    const flags = ["--trust-proxy", "1", "--limit", "address.sockets=1", "--limit", "relay.sockets=2"];
    const origins = ["--allow-origin", "https://a.example", "--allow-origin", "https://b.example"];
    const { started } = run(["--host", "127.0.0.1", "--port", "0", "--json", ...flags, ...origins]);
    const { url } = await started;
    await Device.open(url, "192.0.2.1", { origin: "https://b.example" });
    const from = (address: string) => ({ headers: { "X-Forwarded-For": address } });
    expect(await refusedUpgrade(url, from("192.0.2.1"))).toMatchObject({ status: 429 });
    await Device.open(url, "192.0.2.2");
    expect(await refusedUpgrade(url, from("192.0.2.3"))).toMatchObject({ status: 503 });
  });

  test("says what is wrong and what mends it when the port is taken", async () => {
    const { port } = await run(["--host", "127.0.0.1", "--port", "0", "--json"]).started;
    const { output, status } = run(["--host", "127.0.0.1", "--port", String(port)]);
    expect(await status).toBe(1);
    expect(output.stderr).toMatch(/^amesh: error: .*EADDRINUSE.*\namesh: hint: .*--port.*\n$/);
  });

  test("says what is wrong and what mends it when the address is not this machine's", async () => {
    const { output, status } = run(["--host", "203.0.113.1", "--port", "0"]);
    expect(await status).toBe(1);
    expect(output.stderr).toMatch(/^amesh: error: .*EADDRNOTAVAIL.*\namesh: hint: .*--host.*\n$/);
  });

  test.each([
    [["--prot", "1"], "--prot"],
    [["-x"], "-x"],
    [["extra"], "extra"],
    [["--port"], "--port"],
    [["--port", "http"], "--port"],
    [["--port", ""], "--port"],
    [["--port", "65536"], "65535"],
    [["--port", "-1"], "--port"],
    [["--trust-proxy", "1.5"], "--trust-proxy"],
    [["--trust-proxy", "99"], "trustProxy"],
    [["--allow-origin", "example.com"], "example.com"],
    [["--limit", "sockets"], "NAME=N"],
    [["--limit", "sockets=1"], "sockets"],
    [["--limit", "address.sockets=0"], "address.sockets"],
    [["--limit", "address.sockets=1=2"], "address.sockets"],
    [["--json=yes"], "--json"],
    [["--redis-prefix", "a b"], "redisPrefix"],
  ])("refuses %j as a usage error", async (argv, named) => {
    const { output, status } = run(argv);
    expect(await status).toBe(2);
    expect(output.stdout).toBe("");
    expect(output.stderr).toMatch(/^amesh: error: .+\namesh: hint: .+\n$/);
    expect(output.stderr).toContain(named);
  });

  test("refuses a PORT of the environment that is no number", async () => {
    const { status } = run([], { PORT: "tcp://10.0.0.1:3001" });
    expect(await status).toBe(2);
  });

  test("takes the Redis that instances share from the environment, or from a file", async () => {
    const redis = await RedisServer.start(onTestFinished);
    const file = join(redis.folder, "url");
    writeFileSync(file, `${redis.url}\n`);
    const argv = ["--host", "127.0.0.1", "--port", "0", "--json", "--redis-prefix", "here:"];
    const one = await run(argv, { AMESH_RELAY_REDIS_URL: redis.url }).started;
    const other = await run(argv, { AMESH_RELAY_REDIS_URL_FILE: file }).started;
    const target = await Device.open(one.url);
    await target.ask({ type: "listen", otc: "482916" });
    const controller = await Device.open(other.url);
    expect(await controller.ask({ type: "connect", otc: "482916" })).toEqual({ type: "peer_found" });
  });

  test("refuses a URL of Redis that is none, without saying it", async () => {
    const { output, status } = run([], { AMESH_RELAY_REDIS_URL: "http://user:secret@127.0.0.1" });
    expect(await status).toBe(2);
    expect(output.stderr).toContain("redis://");
    expect(output.stderr).not.toContain("secret");
  });

  test("explains itself: every flag, every limit, the environment, examples", async () => {
    const { output, status } = run(["--help"]);
    expect(await status).toBe(0);
    const flags = [
      "--host",
      "--port",
      "--trust-proxy",
      "--allow-origin",
      "--limit",
      "--redis-prefix",
      "--json",
      "HOST",
      "PORT",
      "AMESH_RELAY_REDIS_URL",
      "AMESH_RELAY_REDIS_URL_FILE",
    ];
    for (const word of [...flags, "Examples:", ...Object.keys(defaultLimits)]) {
      expect(output.stdout).toContain(word);
    }
    for (const line of output.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(88);
  });

  test("exits at once at the second signal, whoever is still talking", async () => {
    const { started, status, signals } = run(["--host", "127.0.0.1", "--port", "0", "--json"]);
    const { target } = await pair((await started).url);
    signals.emit("SIGTERM");
    await target.settle();
    signals.emit("SIGTERM");
    expect(await status).toBe(143);
  });
});

describe("the program authmesh-relay", () => {
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  const bin = path("../bin/authmesh-relay.js");

  beforeAll(() => {
    const compiler = path("../../../node_modules/typescript/bin/tsc");
    if (!existsSync(path("../dist/index.js"))) execFileSync(process.execPath, [compiler, "-b", path("..")]);
  });

  test("serves until SIGTERM, then ends with 0", async () => {
    const child = spawn(process.execPath, [bin, "--host", "127.0.0.1", "--port", "0", "--json"]);
    onTestFinished(() => void child.kill("SIGKILL"));
    const exited = once(child, "exit");
    const [line] = await once(child.stdout.setEncoding("utf8"), "data");
    const { url, port } = JSON.parse(line);
    const { target, controller } = await pair(url);
    expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
    child.kill("SIGTERM");
    controller.say({ type: "done" });
    await target.closed;
    expect(await exited).toEqual([0, null]);
  });

  test("killed, ends its own sockets and what was across, and nothing else", async () => {
    const redis = await RedisServer.start(onTestFinished);
    const start = async () => {
      const child = spawn(process.execPath, [bin, "--host", "127.0.0.1", "--port", "0", "--json"], {
        env: { AMESH_RELAY_REDIS_URL: redis.url },
      });
      onTestFinished(() => void child.kill("SIGKILL"));
      const [line] = await once(child.stdout.setEncoding("utf8"), "data");
      return { child, url: JSON.parse(line).url as string };
    };
    const [killed, stays] = await Promise.all([start(), start()]);
    const near = await pair(stays.url, "111111");
    const meet = async (code: string) => {
      const target = await Device.open(killed.url);
      await target.ask({ type: "listen", otc: code });
      const controller = await Device.open(stays.url);
      await controller.ask({ type: "connect", otc: code });
      return controller;
    };
    const speaks = await meet("222222");
    const silent = await meet("333333");
    killed.child.kill("SIGKILL");
    await once(killed.child, "exit");
    speaks.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await speaks.closed).toEqual({ code: 4001, reason: "peer_left" });
    const since = performance.now();
    expect(await silent.closed).toEqual({ code: 4001, reason: "peer_left" });
    expect(performance.now() - since).toBeLessThan(8_000);
    near.controller.say({ type: "data", payload: Uint8Array.of(1) });
    expect(await near.target.next()).toEqual({ type: "data", payload: "AQ==" });
  });

  test("exits with 2 on a flag it does not know", async () => {
    const child = spawn(process.execPath, [bin, "--frobnicate"]);
    const [status] = await once(child, "exit");
    expect(status).toBe(2);
  });
});
