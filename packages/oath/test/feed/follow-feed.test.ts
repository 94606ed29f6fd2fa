import { describe, expect, it, onTestFinished } from "vitest";
import { type FeedEvent, type FollowFeedOptions, followFeed } from "../../src/feed/index.js";
import { FeedAuthority, newFeedSigner } from "../fixtures/feed-authority.js";
import { feedDevice } from "../fixtures/feed-devices.js";
import { HttpServer, ManualClock } from "../fixtures/http-server.js";

const [a, b, c] = [feedDevice("shop/a"), feedDevice("shop/b"), feedDevice("shop/c")];

async function scene(options: Partial<FollowFeedOptions> = {}) {
  const clock = new ManualClock();
  const authority = new FeedAuthority("@acme", clock.now);
  const server = await HttpServer.start(authority.answer, onTestFinished);
  onTestFinished(() => authority.cut());
  authority.iss = server.url;
  await authority.change(a.added);
  const events: FeedEvent[] = [];
  const { now, monotonic, schedule } = clock;
  const follow = (more: Partial<FollowFeedOptions> = {}) => {
    const feed = followFeed({
      authority: { url: server.url, key: authority.key },
      feed: "@acme",
      now,
      monotonic,
      schedule,
      random: () => 1,
      observe: (event) => void events.push(event),
      ...options,
      ...more,
    });
    onTestFinished(() => feed.close());
    return feed;
  };
  const until = (condition: () => boolean) =>
    expect.poll(condition, { interval: 2, timeout: 5000 }).toBe(true);
  const listening = () => until(() => authority.streams.size > 0);
  /** Lets the pause between two attempts pass, once it has begun. */
  const pause = async (seconds = 31) => {
    await until(() => clock.timers > 0 && authority.streams.size === 0);
    clock.pass(seconds);
  };
  const told = (type: FeedEvent["type"]) => events.filter((event) => event.type === type);
  return { clock, authority, server, events, follow, until, listening, pause, told };
}

describe("a followed feed", () => {
  it("says what a 429 is about", async () => {
    const { server, follow } = await scene();
    server.answer = (response) => void response.writeHead(429).end();
    const feed = follow();
    await feed.ready();
    expect(feed.check()).toMatchObject({ fix: expect.stringContaining("100 streams") });
  });

  it("begins with a snapshot, and hears of changes as they are made", async () => {
    const { authority, follow, until, listening, told } = await scene();
    const feed = follow();
    await feed.ready();
    expect(feed.check()).toBeUndefined();
    expect(feed.state.find(a.key)?.friendlyName).toBe("shop/a");
    await listening();
    let changes = 0;
    feed.onChange(() => changes++);
    await authority.change(a.revoked, b.added);
    await until(() => feed.state.isRevoked(a.id));
    expect(feed.state.findById(b.id)).toBeDefined();
    expect(changes).toBe(1);
    await until(() => feed.status.connected);
    expect(feed.status).toMatchObject({
      applied: 2,
      position: { epoch: 1, number: 2 },
      stale: false,
      problem: undefined,
    });
    await until(() => told("connected").length === 1);
  });

  it("asks for what it missed: after dropped, reordered and unreadable pushes", async () => {
    const { authority, follow, until, listening, told } = await scene();
    const feed = follow();
    await listening();
    authority.tamper = (event, data) => (event === "delta" ? undefined : data);
    await authority.change(b.added);
    await until(() => feed.state.find(b.key) !== undefined);
    const held: [string, string][] = [];
    authority.tamper = (event, data) => {
      held.push([event, data]);
      return undefined;
    };
    await authority.change(c.added);
    await authority.change(b.revoked);
    authority.tamper = (_, data) => data;
    for (const [event, data] of held.reverse()) authority.push(event, data);
    await until(() => feed.state.isRevoked(b.id) && feed.state.find(c.key) !== undefined);
    expect(told("failed")).toEqual([]);
    authority.push("head", "nonsense");
    await until(() => told("failed").length === 1);
    expect(feed.status.connected).toBe(false);
  });

  it("polls at least every 30 s where nothing is pushed", async () => {
    const { authority, follow, until, pause } = await scene();
    authority.pushes = false;
    const feed = follow();
    await feed.ready();
    for (const device of [b, c]) {
      await authority.change(device.added);
      await pause(30);
      await until(() => feed.state.find(device.key) !== undefined);
    }
    expect(feed.check()).toBeUndefined();
  });

  it("takes a silent connection for a dead one", async () => {
    const { clock, authority, follow, until, listening, pause } = await scene();
    const feed = follow();
    await listening();
    authority.tamper = () => undefined;
    await authority.change(b.added);
    clock.pass(25);
    await until(() => {
      clock.pass(0);
      return authority.streams.size === 0;
    });
    await pause(5);
    await until(() => feed.state.find(b.key) !== undefined);
  });

  it.each([
    ["comments alone", (authority: FeedAuthority) => authority.comment()],
    ["the same head again and again", (authority: FeedAuthority) => authority.pulse()],
  ])("takes a stream of %s for cut, says so, and asks elsewhere", async (_, sign) => {
    const { clock, authority, server, follow, until, listening, pause, told } = await scene();
    const feed = follow();
    await listening();
    await authority.pulse();
    await until(() => feed.status.connected);
    authority.databaseSeenAt = clock.now();
    for (let second = 0; second < 25; second += 5) {
      expect(told("failed")).toEqual([]);
      await sign(authority);
      clock.pass(5);
    }
    await until(() => {
      clock.pass(0);
      return told("failed").length === 1;
    });
    expect(feed.status).toMatchObject({ connected: false, ageSeconds: 25 });
    expect(feed.status.problem).toMatchObject({
      code: "authority_unreachable",
      detail: expect.stringContaining("no head confirmed the copy of @acme"),
    });
    const current = told("current").length;
    // An answer that is as old is none.
    server.asked.length = 0;
    await pause();
    await until(() => told("failed").length === 2);
    expect(server.asked).toEqual(["/v1/feeds/%40acme/deltas?after=1.1"]);
    expect(told("current")).toHaveLength(current);
    authority.databaseSeenAt = undefined;
    await authority.change(b.added);
    await pause();
    await until(() => feed.status.problem === undefined && feed.state.find(b.key) !== undefined);
  });

  it("says that the authority is behind what it told, and grows no younger by that", async () => {
    const { authority, follow, until, listening, pause, told } = await scene();
    const feed = follow();
    await listening();
    await authority.change(b.added);
    await until(() => feed.status.position?.number === 2);
    authority.number = 1;
    authority.deltas.length = 1;
    authority.pushes = false;
    authority.cut();
    await until(() => told("disconnected").length === 1);
    await pause();
    await until(() => feed.status.problem?.code === "feed_behind");
    expect(feed.status).toMatchObject({ position: { epoch: 1, number: 2 }, ageSeconds: 31 });
    expect(feed.state.find(b.key)).toBeDefined();
    authority.number = 2;
    await pause();
    await until(() => feed.status.problem === undefined);
    expect(feed.status.ageSeconds).toBe(0);
  });

  it("gives a snapshot up that takes more than ten minutes, however steadily it comes", async () => {
    let waits = 0;
    const { clock, authority, server, follow, until, told } = await scene();
    const whole = await authority.snapshot();
    const sent: ((piece: string) => unknown)[] = [];
    server.answer = (response, request) => {
      if (!request.url?.includes("snapshot")) return authority.answer(response, request);
      response.writeHead(200).flushHeaders();
      sent.push((piece) => response.write(piece));
    };
    const schedule = (ring: () => void, ms: number) => {
      waits++;
      return clock.schedule(ring, ms);
    };
    const feed = follow({ schedule });
    await until(() => sent.length === 1 && waits > 0);
    for (let at = 0; at < 25; at++) {
      const before = waits;
      sent[0]?.(whole.charAt(at));
      await until(() => waits > before);
      clock.pass(25);
      clock.pass(0);
      if (at < 23) expect(told("failed")).toEqual([]);
    }
    await until(() => told("failed").length > 0);
    expect(feed.status.problem).toMatchObject({
      code: "authority_unreachable",
      detail: expect.stringContaining("no answer in time"),
    });
  });

  it("comes back after the connection was cut and the authority was away", async () => {
    const { authority, clock, server, follow, until, listening, pause, told } = await scene();
    const feed = follow();
    await listening();
    await authority.pulse();
    await until(() => feed.status.connected);
    await server.stop();
    await until(() => told("disconnected").length === 1);
    await authority.change(a.revoked);
    await pause(1);
    await until(() => told("failed").length >= 1);
    expect(feed.status.problem?.code).toBe("authority_unreachable");
    expect(feed.check()).toBeUndefined();
    await server.start();
    await until(() => {
      if (authority.streams.size === 0 && clock.timers > 0) clock.pass(31);
      return feed.state.isRevoked(a.id);
    });
  });

  it("goes on where a kept copy ended, and decides by it while the authority is away", async () => {
    const { authority, server, follow, listening, until } = await scene();
    const before = follow();
    await listening();
    const { kept } = before;
    before.close();
    await until(() => authority.streams.size === 0);
    await authority.change(b.added);
    server.asked.length = 0;
    const feed = follow({ kept });
    expect(feed.check()).toBeUndefined();
    await until(() => feed.state.find(b.key) !== undefined);
    expect(server.asked.some((target) => target.includes("snapshot"))).toBe(false);
    feed.close();
    await server.stop();
    const alone = follow({ kept });
    await alone.ready();
    expect(alone.check()).toBeUndefined();
    expect(alone.state.find(a.key)).toBeDefined();
  });

  it("leaves a kept copy aside that was believed by another key, and takes all anew", async () => {
    const { clock, authority, server, follow, listening, until, told } = await scene();
    const before = follow();
    await listening();
    const { kept } = before;
    before.close();
    await until(() => authority.streams.size === 0);
    authority.signer = newFeedSigner();
    await server.stop();
    const { url } = server;
    for (const key of [authority.key, undefined]) {
      const alone = follow({ kept, authority: { url, key } });
      expect(alone.check()).toMatchObject({ code: "trust_stale" });
      expect(alone.state.size).toBe(0);
      alone.close();
    }
    expect(told("failed")[0]).toMatchObject({ code: "feed_key_changed" });
    await server.start();
    const feed = follow({ kept, authority: { url, key: authority.key } });
    await feed.ready();
    expect(feed.check()).toBeUndefined();
    expect(feed.kept).toMatchObject({ key: authority.key, headAt: clock.now() / 1000 });
    expect(server.asked).toContain("/v1/feeds/%40acme/snapshot");
  });

  it("reads many deltas page by page, and takes a snapshot where they are gone", async () => {
    const { authority, follow, listening, until } = await scene();
    const before = follow();
    await listening();
    const { kept } = before;
    before.close();
    authority.pageSize = 2;
    for (const change of [b.added, c.added, b.revoked, c.revoked, b.unrevoked])
      await authority.change(change);
    const paged = follow({ kept });
    await until(() => paged.status.position?.number === 6);
    paged.close();
    authority.deltas.splice(0, 4);
    const other = follow({ kept });
    await until(() => other.status.position?.number === 6 && other.check() === undefined);
    await authority.restore(c.added);
    const restored = follow({ kept: other.kept });
    await until(() => restored.status.position?.epoch === 2);
    expect([...restored.state.entries()]).toEqual([c.added]);
  });

  it("keeps its copy when the authority tells another story, and says so", async () => {
    const { clock, authority, follow, listening, until, told } = await scene({ maxStaleSeconds: 60 });
    const feed = follow();
    await listening();
    authority.digest = new Uint8Array(32);
    await authority.change(b.added);
    await until(() => told("forked").length === 1);
    expect(feed.state.find(b.key)).toBeUndefined();
    expect(feed.state.find(a.key)).toBeDefined();
    expect(feed.status.problem?.code).toBe("feed_forked");
    clock.sleep(61);
    expect(feed.check()).toMatchObject({ code: "trust_stale", status: 503 });
  });

  it("follows rotations, and no other key", async () => {
    const { authority, follow, listening, until, told } = await scene();
    const feed = follow();
    await listening();
    await authority.rotate();
    await authority.change(b.added);
    await until(() => feed.state.find(b.key) !== undefined);
    expect(told("key")).toMatchObject([{ first: true }, { first: false, anchor: { seq: 1 } }]);
    expect(feed.anchor?.key.kid).toBe(authority.key);
    authority.signer = newFeedSigner();
    await authority.change(c.added);
    await until(() => told("failed").length > 0);
    expect(feed.status.problem?.code).toBe("feed_key_changed");
    expect(feed.state.find(c.key)).toBeUndefined();
  });

  it("believes the first key that it sees where none is named, and tells of it", async () => {
    const { authority, server, follow, told } = await scene();
    const feed = follow({ authority: { url: server.url } });
    await feed.ready();
    expect(feed.check()).toBeUndefined();
    expect(told("key")).toMatchObject([{ first: true, anchor: { key: { kid: authority.key }, seq: 0 } }]);
  });

  it.each([
    ["another authority's statements", () => ({ iss: "https://other.example" })],
    ["a snapshot that is not what was signed", () => ({ tamperSnapshot: (text: string) => `${text}\n` })],
    ["a key that is not pinned", () => ({ signer: newFeedSigner() })],
  ])("decides nothing by %s", async (_, lie) => {
    const { authority, server, follow } = await scene();
    const { key } = authority;
    Object.assign(authority, lie());
    const feed = follow({ authority: { url: server.url, key } });
    await feed.ready();
    expect(feed.check()).toMatchObject({ code: "trust_stale" });
    expect(feed.state.size).toBe(0);
  });

  it.each([
    ["ahead", 7200],
    ["behind", -7200],
  ])("with a clock two hours %s, says so in an hour at most and not never", async (_, seconds) => {
    const { clock, follow, until, pause, authority, told } = await scene();
    authority.pushes = false;
    let offset = 0;
    const now = () => clock.now() + offset * 1000;
    const feed = follow({ now });
    await feed.ready();
    expect(feed.check()).toBeUndefined();
    offset = seconds;
    await authority.change(a.revoked);
    await pause();
    await until(() => feed.state.isRevoked(a.id));
    if (seconds < 0) {
      await until(() => told("failed").length > 1);
      expect(feed.status.problem?.detail).toContain("this machine's clock is 120 min behind");
      expect(feed.check()).toBeUndefined();
      clock.sleep(3601);
    }
    expect(feed.check()).toMatchObject({ code: "trust_stale" });
    offset = 0;
    await pause();
    await until(() => feed.check() === undefined);
  });

  it("gives up an authority whose deltas never lead to its head", async () => {
    const { authority, server, follow, told, until } = await scene();
    server.answer = (response, request) => {
      if (!request.url?.includes("deltas")) return authority.answer(response, request);
      void authority
        .head({ number: 99 })
        .then((head) => response.writeHead(200).end(JSON.stringify({ head, deltas: [], more: true })));
    };
    const feed = follow();
    await until(() => told("failed").length === 1);
    expect(feed.status.problem?.code).toBe("feed_malformed");
    expect(server.asked.length).toBeLessThan(10);
  });

  it("refuses a URL that is no authority's", () => {
    expect(() => followFeed({ authority: { url: "http://example.com" }, feed: "@acme" })).toThrow(TypeError);
    const authority = { url: "https://a.example" };
    expect(() => followFeed({ authority, feed: "@acme", maxStaleSeconds: 0 })).toThrow(TypeError);
  });
});
