import { silent } from "../fixtures/pair.js";
import type { AdapterUnderTest } from "./adapter.js";
import type { Case } from "./cases.js";
import { Bench, type Outcome } from "./exchange.js";

/** Runs one case against a server of its own. */
export async function runCase(adapter: AdapterUnderTest, { options, mount, run }: Case): Promise<Outcome> {
  const bench = new Bench(adapter.transport);
  const given = { allowList: bench.trust, logger: silent, ...options };
  const server = await adapter.start(bench, given, mount);
  try {
    bench.host = server.host;
    bench.trust.audience = [server.host];
    return await run(bench);
  } finally {
    await server.close();
  }
}

/** What an adapter must do with a case: what the table says, unless its framework hides what that takes. */
export const expectedOf = ({ differs = {} }: AdapterUnderTest, { name, expected }: Case): Outcome =>
  differs[name]?.outcome ?? expected;
