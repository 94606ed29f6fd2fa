import { AmeshError } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  entry,
  issuer,
  revocationSourceConformance,
  token,
} from "../../../test/conformance/suites/revocation-source.js";
import { type PollEvent, type PollRevocationsOptions, pollRevocations } from "../src/poll-revocations.js";
import { readRevocationPage } from "../src/revocation/revocation-page.js";
import type { Revocation } from "../src/revocation.js";
import { type Answer, HttpServer, json, ManualClock } from "./fixtures/http-server.js";
import { RevocationIssuer } from "./fixtures/revocation-issuer.js";

const unavailable = expect.objectContaining({ code: "revocation_unavailable" });
const add = (revocation: Revocation) => ({ generation: 0, revocation });
const remove = ({ issuer, by, value }: Revocation) => ({ generation: 0, removed: { issuer, by, value } });

async function scene(options: Partial<PollRevocationsOptions> = {}) {
  const clock = new ManualClock();
  const lists = new RevocationIssuer();
  lists.issuer = issuer;
  const server = await HttpServer.start(lists.answer, onTestFinished);
  const events: PollEvent[] = [];
  const url = `${server.url}/v1/revocations`;
  const { now, monotonic, schedule } = clock;
  const open = () => {
    const observe = (event: PollEvent) => void events.push(event);
    const source = pollRevocations({ issuer, url, now, monotonic, schedule, observe, ...options });
    onTestFinished(() => source.close());
    return source;
  };
  /** Lets the next question be asked, and answered. */
  const poll = async (seconds = 1) => {
    const before = events.length;
    clock.pass(seconds);
    await expect.poll(() => events.length, { interval: 2 }).toBe(before + 1);
  };
  return { clock, lists, server, events, open, poll };
}

revocationSourceConformance("a list that is polled", async () => {
  const { clock, lists, open } = await scene();
  const source = open();
  await source.preWarm();
  return {
    source,
    change: async (...changes) => {
      lists.change(...changes);
      await source.preWarm();
    },
    pass: (seconds) => clock.sleep(seconds),
  };
});

describe("a list that is polled", () => {
  it("makes those who ask early wait for the first answer", async () => {
    const { lists, open } = await scene();
    lists.change(add(entry("jti", "jti-1")));
    const source = open();
    expect(source.staleSeconds).toBe(Number.POSITIVE_INFINITY);
    expect(await source.find(token())).toMatchObject({ value: "jti-1" });
    expect(source.find(token())).toMatchObject({ value: "jti-1" });
  });

  it("asks for what is new alone, and is told briefly that there is nothing", async () => {
    const { lists, server, open, poll, events } = await scene();
    lists.change(add(entry("jti", "a")), add(entry("jti", "b")));
    await open().preWarm();
    const statuses: number[] = [];
    server.answer = (response, request) => {
      lists.answer(response, request);
      statuses.push(response.statusCode);
    };
    await poll();
    lists.change(remove(entry("jti", "a")));
    await poll();
    await poll();
    expect(statuses).toEqual([304, 200, 304]);
    expect(server.asked.map((each) => each.replace(/^.*after=(\d+).*$/, "$1"))).toEqual(["0", "2", "2", "3"]);
    expect(events.at(-1)).toEqual({ type: "current", generation: 3, entries: 1 });
  });

  it("is transferred in pages, to the last entry, whatever was removed and dropped before", async () => {
    const { lists, server, open } = await scene();
    lists.change(...Array.from({ length: 11_000 }, (_, i) => add(entry("jti", `jti-${i}`))));
    lists.horizon = 10_500;
    const source = open();
    await source.preWarm();
    expect(server.asked).toHaveLength(6);
    for (const i of [0, 1999, 2000, 10_999]) expect(source.find(token({ jti: `jti-${i}` }))).toBeDefined();
    expect(source.find(token({ jti: "jti-11000" }))).toBeUndefined();
  });

  it("is as old as the question, not as the answer", async () => {
    const { clock, lists, server, open } = await scene();
    server.answer = (response, request) => {
      clock.sleep(10);
      lists.answer(response, request);
    };
    const source = open();
    await source.preWarm();
    expect(source.staleSeconds).toBe(10);
  });

  it("goes on where a page was missing", async () => {
    const { lists, server, open, clock } = await scene();
    lists.change(...Array.from({ length: 3000 }, (_, i) => add(entry("jti", `jti-${i}`))));
    server.answer = (response, request) =>
      request.url?.includes("after=2000") ? void response.destroy() : lists.answer(response, request);
    const source = open();
    await expect(source.preWarm()).rejects.toEqual(unavailable);
    await expect(async () => source.find(token({ jti: "jti-1" }))).rejects.toEqual(unavailable);
    server.answer = lists.answer;
    clock.pass(1);
    await source.preWarm();
    expect(source.find(token({ jti: "jti-2999" }))).toBeDefined();
    expect(server.asked.filter((each) => each.includes("after=0"))).toHaveLength(1);
  });

  it.each<[string, (lists: RevocationIssuer) => void]>([
    [
      "was restored from a backup, and went on",
      (lists) => {
        lists.restore("other-log");
        lists.change(...Array.from({ length: 9 }, (_, i) => add(entry("jti", `other ${i}`))));
      },
    ],
    ["was restored to an earlier generation", (lists) => lists.restore("first-log")],
    [
      "dropped old removals",
      (lists) => {
        lists.restore("first-log");
        lists.change(...Array.from({ length: 9 }, (_, i) => add(entry("jti", `other ${i}`))));
        lists.horizon = 8;
      },
    ],
  ])("is read anew when the issuer's %s, and the old one answers meanwhile", async (_, happen) => {
    const { lists, server, open, poll, clock } = await scene();
    lists.change(add(entry("jti", "old")), add(entry("jti", "stays")));
    const source = open();
    await source.preWarm();
    happen(lists);
    lists.change(add(entry("jti", "stays")));
    server.answer = (response, request) =>
      request.url?.includes("after=0") ? void response.destroy() : lists.answer(response, request);
    await poll();
    for (const jti of ["old", "stays"]) expect(source.find(token({ jti }))).toBeDefined();
    server.answer = lists.answer;
    clock.pass(1);
    await source.preWarm();
    expect(source.find(token({ jti: "old" }))).toBeUndefined();
    expect(source.find(token({ jti: "stays" }))).toBeDefined();
  });
});

describe("an issuer that is away", () => {
  it("is not missed until the list is older than it may be; then nobody can say, until it is back", async () => {
    const { clock, lists, server, open } = await scene({ maxStaleSeconds: 300 });
    lists.change(add(entry("jti", "revoked")));
    const source = open();
    await source.preWarm();
    await server.stop();
    for (let minute = 1; minute <= 5; minute++) {
      clock.pass(60);
      expect(source.find(token())).toBeUndefined();
      expect(source.find(token({ jti: "revoked" }))).toBeDefined();
    }
    expect(source.staleSeconds).toBe(300);
    clock.pass(1);
    await expect(async () => source.find(token())).rejects.toEqual(unavailable);
    await expect(async () => source.find(token())).rejects.toMatchObject({
      failure: { status: 503, retryAfterSeconds: expect.any(Number) },
      message: expect.stringContaining("nothing listens there"),
    });
    await server.start();
    clock.pass(30);
    await expect.poll(async () => source.find(token())).toBeUndefined();
    expect(source.staleSeconds).toBe(0);
  });

  it("is waited for after a sleep, as nobody knows yet that it is away", async () => {
    const { clock, lists, open } = await scene();
    const source = open();
    await source.preWarm();
    lists.change(add(entry("jti", "jti-1")));
    clock.sleep(2 * 3600);
    expect(await source.find(token())).toMatchObject({ value: "jti-1" });
  });

  it("does not make the list younger by a wall clock that is set back", async () => {
    const { clock, server } = await scene();
    const wall = { offset: 0 };
    const now = () => clock.now() + wall.offset;
    const { monotonic, schedule } = clock;
    const lists = new RevocationIssuer();
    lists.issuer = issuer;
    server.answer = lists.answer;
    const source = pollRevocations({ issuer, url: `${server.url}/v1/revocations`, now, monotonic, schedule });
    onTestFinished(() => source.close());
    await source.preWarm();
    await server.stop();
    clock.sleep(3601);
    wall.offset = -3600_000;
    expect(source.staleSeconds).toBe(3601);
    await expect(async () => source.find(token())).rejects.toEqual(unavailable);
  });

  it('lets tokens in all the same where the option says "accept"', async () => {
    const { clock, lists, server, open } = await scene({ whenStale: "accept" });
    lists.change(add(entry("jti", "revoked")));
    const source = open();
    await source.preWarm();
    await server.stop();
    clock.sleep(10 * 3600);
    expect(await source.find(token())).toBeUndefined();
    expect(await source.find(token({ jti: "revoked" }))).toBeDefined();
  });

  it("has no list when it never had one", async () => {
    const { server, open } = await scene();
    await server.stop();
    await expect(async () => open().find(token())).rejects.toEqual(unavailable);
  });

  it.each([400, 401, 403])(
    "that shows its list to devices alone is answered %i, and it is said what to do",
    async (status) => {
      const { server, open } = await scene();
      server.answer = (response) => void response.writeHead(status).end();
      await expect(open().preWarm()).rejects.toMatchObject({
        failure: {
          detail: expect.stringContaining(`/v1/revocations: it answers ${status}.`),
          fix: expect.stringContaining("--public-revocations"),
        },
      });
    },
  );

  it("is asked less and less often, and no more after close", async () => {
    const { clock, server, open, poll } = await scene({ maxStaleSeconds: 20 });
    const source = open();
    await source.preWarm();
    await server.stop();
    for (const pause of [1, 1, 2, 4, 5, 5]) await poll(pause);
    source.close();
    expect(clock.timers).toBe(0);
  });
});

const page = (more: object = {}) => ({
  ...{ issuer, log: "first-log", generation: 7, more: false, revocations: [] },
  ...more,
});
const change = (more: object = {}) => ({ generation: 5, by: "jti", value: "x", at: 1, ...more });
const huge: Answer = (response) => {
  const more = () => {
    while (!response.destroyed && response.write(" ".repeat(1 << 16)));
    response.once("drain", more);
  };
  more();
};

describe("what is no list", () => {
  it.each<[string, Answer]>([
    ["an error", (response) => void response.writeHead(500).end()],
    ["a redirect", (response) => void response.writeHead(307, { location: "/v1/revocations" }).end()],
    ["a 304 that nobody asked for", (response) => void response.writeHead(304).end()],
    ["a 410 to somebody who begins", (response) => void response.writeHead(410).end()],
    ["an answer without end", huge],
    ["an answer that stops", (response) => void response.writeHead(200).write("{")],
    ["a list of another issuer", json(page({ issuer: "https://other.example" }))],
    ["a list that goes on for ever", json(page({ more: true, generation: 0 }))],
    ["changes that are too new", json(page({ revocations: [change({ generation: 8 })] }))],
  ])("%s: nobody can say what is revoked", async (_, answer) => {
    const { server, open } = await scene({ timeoutMs: 500 });
    server.answer = answer;
    await expect(open().preWarm()).rejects.toEqual(unavailable);
  });

  it.each<[string, unknown]>([
    ["null", null],
    ["an array", []],
    ["no log", page({ log: undefined })],
    ["a log of other characters", page({ log: "a log of\n" })],
    ["a generation that goes back", page({ generation: 3 })],
    ["a generation that is no number", page({ generation: "7" })],
    ["a broken generation", page({ generation: 7.5 })],
    ["no word whether there is more", page({ more: undefined })],
    ["more, and no step ahead", page({ more: true, generation: 4 })],
    ["changes that are no array", page({ revocations: {} })],
    ["a change that is null", page({ revocations: [null] })],
    ["a change that was known", page({ revocations: [change({ generation: 4 })] })],
    ["changes out of order", page({ revocations: [change({ generation: 6 }), change()] })],
    ["one generation twice", page({ revocations: [change(), change({ value: "y" })] })],
    ["another kind of subject", page({ revocations: [change({ by: "aud" })] })],
    ["a kind that every object has", page({ revocations: [change({ by: "constructor" })] })],
    ["an empty value", page({ revocations: [change({ value: "" })] })],
    ["a long value", page({ revocations: [change({ value: "x".repeat(513) })] })],
    ["a long reason", page({ revocations: [change({ reason: "x".repeat(257) })] })],
    ["an actor that is no text", page({ revocations: [change({ actor: 7 })] })],
    ["no time", page({ revocations: [change({ at: undefined })] })],
    ["an expiry that is no time", page({ revocations: [change({ expiresAt: "never" })] })],
    ["a negative expiry", page({ revocations: [change({ expiresAt: -1 })] })],
    ["a removal that is not one", page({ revocations: [change({ removed: false })] })],
  ])("%s is refused", (_, value) => {
    expect(() => readRevocationPage(JSON.parse(JSON.stringify(value)), issuer, 4)).toThrow(unavailable);
  });

  it("is told apart whatever the JSON: a page, or an error of the catalogue", () => {
    const changes = fc.array(
      fc.record(
        {
          generation: fc.oneof(fc.integer({ min: 5, max: 9 }), fc.jsonValue()),
          by: fc.oneof(fc.constantFrom("sub", "jti", "kid", "tenant"), fc.jsonValue()),
          value: fc.oneof(fc.string(), fc.jsonValue()),
          removed: fc.oneof(fc.constant(true), fc.jsonValue()),
          at: fc.oneof(fc.nat(), fc.jsonValue()),
        },
        { requiredKeys: ["generation", "by", "value"] },
      ),
    );
    const pages = changes.map((revocations) => page({ generation: 9, revocations }));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), pages), (value) => {
        try {
          const read = readRevocationPage(JSON.parse(JSON.stringify(value)), issuer, 4);
          for (const { generation } of read.changes) expect(generation).toBeGreaterThan(4);
        } catch (error) {
          expect(error).toBeInstanceOf(AmeshError);
        }
      }),
    );
  });

  it("changes nothing of the list that there is", async () => {
    const { lists, server, open, poll } = await scene();
    lists.change(add(entry("jti", "jti-1")));
    const source = open();
    await source.preWarm();
    server.answer = json(
      page({ generation: 9, revocations: [{ ...change(), value: "jti-1", removed: true }, null] }),
    );
    await poll();
    expect(source.find(token())).toBeDefined();
  });

  it("may leave out who revoked and why", () => {
    const { changes } = readRevocationPage(page({ revocations: [change()] }) as never, issuer, 4);
    expect(changes).toEqual([
      { generation: 5, revocation: { issuer, by: "jti", value: "x", reason: "", actor: "", at: 1 } },
    ]);
  });
});

describe("what a poll is told", () => {
  it.each<[string, Partial<PollRevocationsOptions>]>([
    ["an issuer without TLS", { issuer: "http://issuer.example" }],
    ["a list without TLS", { url: "http://issuer.example/list" }],
    ["no interval", { intervalMs: 0 }],
    ["no age", { maxStaleSeconds: 0 }],
    ["another word", { whenStale: "ignore" as "accept" }],
  ])("is refused: %s", (_, options) => {
    expect(() => pollRevocations({ issuer: "https://issuer.example", ...options })).toThrow(TypeError);
  });
});
