import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import { RedisServer } from "../../../../test/fixtures/redis-server.js";

/** Hides packages from a process, as if they were not installed. */
const hiding = (names: readonly string[]): string => {
  const hooks = `export function resolve(name, context, next) {
    if (${JSON.stringify(names)}.includes(name)) throw Object.assign(new Error(name), { code: "ERR_MODULE_NOT_FOUND" });
    return next(name, context);
  }`;
  const url = `data:text/javascript,${encodeURIComponent(hooks)}`;
  return `data:text/javascript,${encodeURIComponent(`import { register } from "node:module"; register(${JSON.stringify(url)});`)}`;
};

/** What a process says that checks a nonce twice, and which client Redis saw. */
async function checkTwice(names: readonly string[]): Promise<string[]> {
  const server = await RedisServer.start(onTestFinished);
  const program = `
    import { RedisNonceStore } from "@authmesh/sdk/redis";
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const store = new RedisNonceStore({ redisUrl: ${JSON.stringify(server.url)}, timeoutMs: 5000, logger });
    for (let i = 0; i < 2; i++)
      await store.checkAndRecord("n", 71).then(console.log, ({ code, fix }) => console.log(code + ": " + fix));
    await store.close();`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--import", hiding(names), "--input-type=module", "--eval", program],
    { cwd: import.meta.dirname },
  );
  return stdout.trim().split("\n");
}

describe("with a URL alone", () => {
  it.each([[[]], [["ioredis"]], [["redis"]]])("a store works where %j is not installed", async (names) => {
    expect(await checkTwice(names)).toEqual(["true", "false"]);
  });

  it("a store without any client library says how to install one", async () => {
    const said = "package_missing: npm install ioredis (with --global where amesh is installed so)";
    expect(await checkTwice(["ioredis", "redis"])).toEqual([said, said]);
  });
});
