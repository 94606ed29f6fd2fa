import { InMemoryNonceStore } from "@authmesh/core";
import { nonceStoreConformance } from "../../../test/conformance/suites/nonce-store.js";

nonceStoreConformance("InMemoryNonceStore", async () => {
  const time = { wall: 1_800_000_000_000, monotonic: 0 };
  const store = new InMemoryNonceStore({ now: () => time.wall, monotonic: () => time.monotonic });
  const advance = (milliseconds: number) => {
    time.wall += milliseconds;
    time.monotonic += milliseconds;
  };
  return { store, clock: { advance } };
});
