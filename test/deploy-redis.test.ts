import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deployed, programs, readDeployed } from "./fixtures/deploy/launch.js";
import { RedisServer } from "./fixtures/redis-server.js";

type User = (typeof programs)[number] | "default" | "operator";
type Command = readonly [name: string, ...args: string[]];

const ends: (() => unknown)[] = [];
const clients = new Map<User, Redis>();

/** The settings of compose.yaml's Redis, name and value. */
const settings = readDeployed("compose/redis.conf")
  .split("\n")
  .filter((line) => /^[a-z]/.test(line))
  .map((line) => line.split(" ") as [string, string]);

/** What the server answers; "NOPERM" where the user may not. */
async function answerTo(user: User, [name, ...args]: Command): Promise<unknown> {
  try {
    return await clients.get(user)?.call(name, ...args);
  } catch (error) {
    if (/NOPERM|can't (?:run this command|access at least one of the keys)/.test(String(error)))
      return "NOPERM";
    throw error;
  }
}

/** One command, from a script, as the programs send most of theirs. */
const scripted = (name: string, key: string, ...args: string[]): Command => [
  "EVAL",
  `return redis.call('${name}', KEYS[1], unpack(ARGV))`,
  "1",
  key,
  ...args,
];

const may: Readonly<Record<Exclude<User, "operator">, readonly Command[]>> = {
  relay: [scripted("HSET", "{amesh-relay}:x", "a", "1"), ["PUBLISH", "{amesh-relay}:x", "a"]],
  authority: [scripted("SET", "ar:x", "1"), ["GET", "ar:x"]],
  gateway: [["SET", "am:x", "1", "NX", "PX", "60000"], scripted("XRANGE", "ar:devices", "-", "+")],
  default: [["PING"]],
};

/** Of keys that others stand on, and of the server itself. */
const mayNot: typeof may = {
  relay: [
    ["GET", "am:x"],
    scripted("SET", "am:x", "1"),
    scripted("DEL", "am:x"),
    scripted("DEL", "ar:devices"),
    scripted("SET", "ar:x", "1"),
    ["PUBLISH", "ar:x", "1"],
  ],
  authority: [
    scripted("SET", "am:x", "1"),
    scripted("DEL", "am:x"),
    ["DEL", "ar:x"],
    ["XADD", "ar:devices", "*", "s", "1"],
    scripted("DEL", "{amesh-relay}:x"),
    ["PUBLISH", "{amesh-relay}:x", "1"],
  ],
  gateway: [
    ["DEL", "am:x"],
    scripted("DEL", "am:x"),
    ["EXPIRE", "am:x", "0"],
    ["XADD", "ar:devices", "*", "s", "1"],
    scripted("XADD", "ar:devices", "*", "s", "1"),
    ["DEL", "ar:devices"],
    scripted("DEL", "ar:devices"),
    ["SET", "ar:devices", "1"],
    scripted("SET", "ar:devices", "1"),
    ["GET", "ar:x"],
    scripted("HSET", "{amesh-relay}:x", "a", "1"),
    ["PUBLISH", "{amesh-relay}:x", "1"],
  ],
  default: [["GET", "am:x"], ["INFO"], ["CLIENT", "LIST"]],
};

const server: readonly Command[] = [
  ["FLUSHALL"],
  ["FLUSHDB"],
  ["KEYS", "*"],
  ["SCAN", "0"],
  ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"],
  ["ACL", "LIST"],
  ["SAVE"],
  ["SHUTDOWN", "NOSAVE"],
  ["REPLICAOF", "127.0.0.1", "1"],
  ["CLIENT", "KILL", "TYPE", "normal"],
  ["MONITOR"],
];

describe.runIf(process.getuid?.() === 0)("the Redis of compose.yaml", () => {
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), "amesh-deploy-redis-"));
    ends.push(() => rmSync(folder, { recursive: true }));
    const secrets = join(folder, "secrets");
    execFileSync("sh", [deployed("compose/make-secrets.sh"), secrets]);
    const users = join(folder, "users");
    writeFileSync(
      users,
      `${readFileSync(join(secrets, "redis-users"), "utf8")}user operator on nopass ~* &* +@all\n`,
    );
    const words = settings.flatMap(([name, value]) =>
      name === "aclfile" ? ["--aclfile", users] : [`--${name}`, value === '""' ? "" : value],
    );
    const redis = await RedisServer.start((stop) => ends.push(stop), ...words);
    const at = (user: User, url: string) =>
      clients.set(user, new Redis(url, { retryStrategy: () => null, enableReadyCheck: false }));
    for (const user of programs) {
      const url = readFileSync(join(secrets, `${user}-redis-url`), "utf8").trim();
      at(user, url.replace("@redis:6379", `@127.0.0.1:${redis.port}`));
    }
    at("default", redis.url);
    at("operator", `redis://operator:any@127.0.0.1:${redis.port}`);
  });

  afterAll(async () => {
    for (const client of clients.values()) client.disconnect();
    for (const end of ends.toReversed()) await end();
  });

  test.each(Object.entries(may))("lets %s do its work", async (user, commands) => {
    for (const command of commands)
      expect(await answerTo(user as User, command), command.join(" ")).not.toBe("NOPERM");
  });

  test.each(Object.entries(mayNot))("lets %s do nothing else", async (user, commands) => {
    for (const command of [...commands, ...server])
      expect(await answerTo(user as User, command), command.join(" ")).toBe("NOPERM");
  });

  test("keeps nothing on a disk or in its slow log, and drops nothing", async () => {
    expect(settings).toEqual(
      expect.arrayContaining([
        ["save", '""'],
        ["appendonly", "no"],
      ]),
    );
    const says = async (name: string) => await answerTo("operator", ["CONFIG", "GET", name]);
    expect(await says("save")).toEqual(["save", ""]);
    expect(await says("appendonly")).toEqual(["appendonly", "no"]);
    expect(await says("slowlog-max-len")).toEqual(["slowlog-max-len", "0"]);
    expect(await says("maxmemory-policy")).toEqual(["maxmemory-policy", "noeviction"]);
  });
});
