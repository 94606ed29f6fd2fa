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
  await vi.waitUntil(() => feed.state.tokenRevocation({ by: "jti", value: "one" }) !== undefined, 5000);
  expect(feed.status).toMatchObject({ stale: false, connected: true, problem: undefined });
});

it("is followed from the thumbprint of a key that was rotated out long ago", async () => {
  const { feedKeys } = running.authority.state;
  const pinned = feedKeys.thumbprint ?? "";
  const { fetch: signed } = await running.device({ feed: "r" });
  const old = followFeed({ authority: { url: running.url, key: pinned }, feed: "tokens", fetch: signed });
  onTestFinished(() => old.close());
  await vi.waitUntil(() => old.status.connected, 5000);
  for (let seq = 1; seq <= 2; seq++) {
    await feedKeys.rotate(running.url);
  }
  const fresh = followFeed({ authority: { url: running.url, key: pinned }, feed: "tokens", fetch: signed });
  onTestFinished(() => fresh.close());
  await fresh.ready();
  expect(fresh.check()).toBeUndefined();
  expect(fresh.anchor).toMatchObject({ key: { kid: feedKeys.thumbprint }, seq: 2 });
  const { store } = running.authority.state;
  await store.addRevocation({ by: "jti", value: "two", reason: "", actor: "am_x", at: 1_800_000_000 });
  for (const feed of [old, fresh])
    await vi.waitUntil(() => feed.state.tokenRevocation({ by: "jti", value: "two" }) !== undefined, 5000);
});
