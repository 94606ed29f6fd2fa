import { describe, expect, test } from "vitest";
import type { Outcome } from "../adapters/exchange.js";
import { cases, type TokenCase } from "./cases.js";
import { adapters, type TokenAdapter } from "./servers.js";
import { TokenBench } from "./token-exchange.js";

/** Runs one case against a server of its own. */
async function runCase(
  adapter: TokenAdapter,
  { options, mount, needs = {}, run }: TokenCase,
): Promise<Outcome> {
  const bench = new TokenBench(adapter.transport);
  const server = await adapter.start(bench, { ...bench.options, ...options }, mount, needs);
  try {
    bench.host = server.host;
    return await run(bench);
  } finally {
    await server.close();
  }
}

describe.each(adapters)("$name", (adapter) => {
  test.concurrent.each(cases)("$name", async (each) => {
    expect(await runCase(adapter, each)).toEqual(each.expected);
  });
});

test("the table has no name twice", () => {
  expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
});
