import { describe, expect, it } from "vitest";
import { FeedReader } from "./feed-reader.js";
import { RunningAuthority } from "./running-authority.js";

const revoke = ({ authority }: RunningAuthority, value: string, expiresAt?: number) =>
  authority.state.store.addRevocation({
    by: "jti",
    value,
    reason: "lost",
    actor: "am_x",
    at: Math.floor(Date.now() / 1000),
    ...(expiresAt && { expiresAt }),
  });

describe("the trust feed of an authority", () => {
  it("tells revocations of tokens at once, in the order in which they were made", async () => {
    const running = await RunningAuthority.start();
    const reader = await FeedReader.open(running.url, await running.device({ feed: "r" }));
    const events = await reader.events("tokens");
    expect(await events.nextOf("head")).toMatchObject({ epoch: 1, number: 0, iss: running.url });
    await revoke(running, "one-token");
    expect(await events.nextOf("delta")).toMatchObject({
      epoch: 1,
      number: 1,
      changes: [["token", "jti:one-token", { at: expect.any(Number) }]],
    });
    expect(await events.nextOf("head")).toMatchObject({ number: 1 });
  });
});
