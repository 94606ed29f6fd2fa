import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Redis } from "ioredis";
import { Client } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { RedisPair } from "./faults/redis-pair.js";
import { FakeClock } from "./fixtures/fake-clock.js";
import { Networks } from "./fixtures/networks.js";
import { PostgresServer } from "./fixtures/postgres-server.js";
import { SmallDisk } from "./fixtures/small-disk.js";

// On a developer's machine without root there are no networks and no file systems to make; a CI has to be root.
const mayMake = process.getuid?.() === 0 || process.env["CI"] !== undefined;

/** Runs a program until the test ends; gives its lines, one by one. */
function run(program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["pipe", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (question = "") => {
    child.stdin.write(`${question}\n`);
    return (await lines.next()).value as string;
  };
}

const node = (script: string) => [process.execPath, "--input-type=module", "--eval", script] as const;

describe("what makes the faults does what it says:", () => {
  test.skipIf(!mayMake)("a network is parted, loses some, and is healed", async () => {
    const networks = new Networks(onTestFinished);
    const one = networks.join();
    const serve = node(`
      import { createServer } from "node:net";
      const serve = (port) => createServer((socket) => socket.pipe(socket)).listen(port, "0.0.0.0");
      serve(7001); serve(7002).once("listening", () => console.log("listening"));`);
    const [ip = "", ...inside] = one.inside;
    await run(ip, [...inside, ...serve])();
    const [program, ...ask] = node(`
      import { connect } from "node:net";
      import { createInterface } from "node:readline";
      for await (const line of createInterface({ input: process.stdin })) {
        const [host, port] = line.split(" ");
        const socket = connect(Number(port), host, () => socket.write("hello"));
        const say = (what) => { clearTimeout(timer); socket.destroy(); console.log(what); };
        const timer = setTimeout(say, 500, "nothing");
        socket.once("data", (bytes) => say(String(bytes))).on("error", () => say("refused"));
      }`);
    const other = run(program, ask);
    const reach = (port: number) => other(`${one.there} ${port}`);
    expect(await reach(7001)).toBe("hello");
    one.partition(7001);
    expect([await reach(7001), await reach(7002)]).toEqual(["nothing", "hello"]);
    one.heal();
    expect(await reach(7001)).toBe("hello");
    one.lose(99);
    expect(await reach(7002)).toBe("nothing");
    one.heal();
    expect(await reach(7002)).toBe("hello");
  });

  test("a clock is set forward and back in a running program", async () => {
    const folder = mkdtempSync(join(tmpdir(), "amesh-clock-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const clock = new FakeClock(join(folder, "clock"));
    const [program, ...args] = node('process.stdin.on("data", () => console.log(Date.now()))');
    const time = run(program, args, clock.env);
    for (const ahead of [0, 7200, -7200, 0]) {
      clock.step(ahead);
      expect(Math.abs(Number(await time()) - clock.now())).toBeLessThan(2000);
      expect(Math.abs(clock.now() - Date.now() - ahead * 1000)).toBeLessThan(2000);
    }
  });

  test.skipIf(!mayMake)("a disk is full, and has room again", () => {
    const disk = new SmallDisk(1, onTestFinished);
    const write = () => appendFileSync(join(disk.folder, "log"), "line\n".repeat(10_000));
    write();
    disk.fill();
    expect(write).toThrow("ENOSPC");
    disk.free();
    write();
  });

  test("a Redis fails over and has lost what was written last", async () => {
    const pair = await RedisPair.start(onTestFinished);
    const redis = new Redis(pair.url);
    onTestFinished(() => redis.disconnect());
    redis.on("error", () => {});
    await redis.set("early", "1");
    await pair.catchUp();
    await pair.cutReplication();
    await redis.set("late", "1");
    await pair.failOver();
    expect(await redis.mget("early", "late")).toEqual(["1", null]);
    await redis.set("new", "1");
  });

  test("a PostgreSQL hangs, is restarted, is killed, and keeps what it committed", async () => {
    const server = await PostgresServer.start(onTestFinished, ["fsync=on"]);
    const connectionString = await server.database("kept");
    const ask = async (sql: string) => {
      const client = new Client({ connectionString });
      client.on("error", () => {});
      await client.connect();
      try {
        return (await client.query(sql)).rows;
      } finally {
        await client.end().catch(() => {});
      }
    };
    await ask("CREATE TABLE kept (number int)");
    server.pause();
    const hanging = ask("INSERT INTO kept VALUES (1)");
    const timer = new Promise((resolve) => setTimeout(resolve, 200, "no answer"));
    expect(await Promise.race([hanging, timer])).toBe("no answer");
    server.resume();
    await hanging;
    for (const end of [() => server.stop(), () => server.kill()]) {
      await ask("INSERT INTO kept VALUES (2)");
      await end();
      await expect(ask("SELECT 1")).rejects.toThrow("ECONNREFUSED");
      await server.start();
    }
    expect(await ask("SELECT number FROM kept")).toHaveLength(3);
  });
});
