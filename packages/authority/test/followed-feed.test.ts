import { followFeed } from "@authmesh/oath/feed";
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { RunningAuthority } from "./running-authority.js";

let running: RunningAuthority;

beforeAll(async () => {
  running = await RunningAuthority.start({}, afterAll);
});

it("is followed by a verifier, who hears of a revocation at once", async () => {
  const { fetch: signed } = await running.device({ feed: "r" });
  const key = (await (await fetch(`${running.url}/v1/feeds/key`)).json()).key.kid;
  const feed = followFeed({ authority: { url: running.url, key }, feed: "tokens", fetch: signed });
  onTestFinished(() => feed.close());
  await feed.ready();
  expect(feed.check()).toBeUndefined();
  await vi.waitUntil(() => feed.status.connected, 5000);
  const { store } = running.authority.state;
  await store.addRevocation({ by: "jti", value: "one", reason: "", actor: "am_x", at: 1_800_000_000 });
  await vi.waitUntil(() => feed.state.tokenRevocation("jti:one") !== undefined, 5000);
  expect(feed.status).toMatchObject({ stale: false, connected: true, problem: undefined });
});
