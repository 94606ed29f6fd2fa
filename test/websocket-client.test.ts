import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { root } from "../scripts/run.js";

/** How many files of `ws` a process has loaded that imports this. */
function filesOfWs(specifier: string): number {
  const program = `
    import { createRequire } from "node:module";
    await import(${JSON.stringify(specifier)});
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    console.log(loaded.filter((file) => /node_modules.ws./.test(file)).length);`;
  const args = ["--input-type=module", "--eval", program];
  return Number(execFileSync(process.execPath, args, { cwd: root, encoding: "utf8" }));
}

// It asks for a variable of the environment, which Deno may have forbidden.
test.each(["", "/express", "/fastify", "/fetch", "/hono", "/next", "/node", "/redis"])(
  "@authmesh/sdk%s loads no WebSocket client",
  (subpath) => {
    expect(filesOfWs(`@authmesh/sdk${subpath}`)).toBe(0);
  },
);

test("pairing does, and the search finds it", () => {
  expect(filesOfWs("@authmesh/sdk/pairing")).toBeGreaterThan(0);
});
