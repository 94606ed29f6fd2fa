import { InMemoryNonceStore } from "@authmesh/core";
import { verify } from "@authmesh/sdk";
import { expect, onTestFinished, test, vi } from "vitest";
import { MemoryTrust, silent } from "./fixtures/pair.js";

/** What verifiers with these options warn of in production, when two are made. */
function warnings(options: object): string[] {
  vi.stubEnv("NODE_ENV", "production");
  onTestFinished(() => void vi.unstubAllEnvs());
  const said: string[] = [];
  const logger = { ...silent, warn: (message: string) => void said.push(message) };
  for (let i = 0; i < 2; i++)
    verify({ allowList: new MemoryTrust(), audience: "api.example.com", logger, ...options });
  return said;
}

test("in production, a server that remembers by itself warns once, and names the store that several share", () => {
  const said = warnings({});
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(/memory of this process alone.*RedisNonceStore.*@authmesh\/sdk\/redis/);
});

test("a server that was given a store does not", () => {
  expect(warnings({ nonceStore: new InMemoryNonceStore() })).toEqual([]);
});
