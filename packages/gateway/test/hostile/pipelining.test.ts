import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { routeOf } from "../fixtures/settings.js";
import { type HostileStage, host, openGateway, signedRequest, trustedDevices } from "./hostile-stage.js";
import { RawClient } from "./raw-client.js";
import { type RecordingUpstream, recordingUpstream, type Told, tellBack } from "./recording-upstream.js";
import type { StrictAnswer } from "./strict-http1.js";

let upstream: RecordingUpstream;
let stage: HostileStage;
let devices: Awaited<ReturnType<typeof trustedDevices>>;
const clients: RawClient[] = [];

beforeAll(async () => {
  devices = await trustedDevices();
  upstream = await recordingUpstream();
  const routes = [
    routeOf({ bodyTimeoutMs: 100 }),
    routeOf({ name: "open", path: "/open", public: true }),
    routeOf({ name: "socket", path: "/socket", public: true, webSocket: true }),
  ];
  const { verification } = devices;
  stage = await openGateway(upstream.url, routes, { verification }, { maxConnections: 2 });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
  upstream.script = tellBack;
  upstream.requests.splice(0);
  expect(upstream.problems.splice(0)).toEqual([]);
});
afterAll(async () => {
  await stage.gateway.close();
  await upstream.close();
  devices.close();
});

const open = async () => {
  const client = await RawClient.open(stage.port);
  clients.push(client);
  return client;
};
const told = ({ status, body }: StrictAnswer): Told | number =>
  status === 200 ? (JSON.parse(body) as Told) : status;
const bare = (target: string, more = "") => `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
const last = "Connection: close\r\n";

describe("requests of several callers on one connection", () => {
  it("never mix: each reaches the upstream as whom it proves to be, and gets its own answer", async () => {
    const { till, boss } = devices;
    const [tillId, bossId] = [till.publicKey.deviceId, boss.publicKey.deviceId];
    const wanted: (Told | number)[] = [];
    let bytes = "";
    for (let i = 0; i < 10; i++) {
      bytes += await signedRequest(till, `/till/${i}`);
      bytes += bare(`/nobody/${i}`);
      bytes += await signedRequest(boss, `/boss/${i}`);
      bytes += bare(`/open/${i}`);
      wanted.push({ target: `/till/${i}`, subject: tillId, body: "" }, 400);
      wanted.push({ target: `/boss/${i}`, subject: bossId, body: "" });
      wanted.push({ target: `/open/${i}`, body: "" } as Told);
    }
    const client = await (await open()).send(bytes + bare("/open/last", last));
    const answers = (await client.answers()).map(told);
    expect(answers.slice(0, -1)).toEqual(wanted);
    expect(upstream.requests.map(({ target }) => target)).not.toContainEqual(expect.stringMatching(/nobody/));
    expect(upstream.requests).toHaveLength(31);
  });

  it("never mix, either, where many connections share two of the upstream", async () => {
    const targets = Array.from({ length: 12 }, (_, i) => `/${i}`);
    await Promise.all(
      targets.map(async (target, i) => {
        const device = i % 2 === 0 ? devices.till : devices.boss;
        const client = await open();
        for (const round of ["a", "b", "c"]) {
          await client.send(await signedRequest(device, target + round));
          expect(told(await client.answer())).toEqual({
            target: target + round,
            subject: device.publicKey.deviceId,
            body: "",
          });
        }
      }),
    );
    expect(new Set(upstream.requests.map(({ connection }) => connection)).size).toBeLessThanOrEqual(2);
  });

  it("is none the more trusted for the one before it", async () => {
    const client = await open();
    await client.send(await signedRequest(devices.boss, "/first"));
    expect(told(await client.answer())).toMatchObject({ target: "/first" });
    await client.send(bare("/second"));
    expect(told(await client.answer())).toBe(400);
    await client.send(await signedRequest(devices.till, "/third"));
    expect(told(await client.answer())).toMatchObject({ subject: devices.till.publicKey.deviceId });
    expect(upstream.requests.map(({ target }) => target)).toEqual(["/first", "/third"]);
  });

  it("is not sent on once an ambiguous one came before it", async () => {
    const bytes = `${bare("/a//b")}${await signedRequest(devices.boss, "/after")}`;
    const answers = await (await (await open()).send(bytes)).answers();
    expect(answers.map(({ status }) => status)).toEqual([400]);
    expect(upstream.requests).toEqual([]);
  });
});

describe("a body that was refused", () => {
  const inner = async () => signedRequest(devices.boss, "/inner");
  const outer = (length: number) =>
    `POST /outer HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${length}\r\n\r\n`;

  it("is never read as the next request, when it came with its head", async () => {
    const hidden = await inner();
    const client = await (await open()).send(outer(hidden.length) + hidden + bare("/open", last));
    const statuses = (await client.answers()).map(({ status }) => status);
    expect(statuses[0]).toBe(400);
    expect(upstream.requests.map(({ target }) => target)).not.toContain("/inner");
  });

  it("is never read as the next request, when it comes later", async () => {
    const hidden = await inner();
    const client = await (await open()).send(outer(hidden.length));
    expect((await client.answer()).status).toBe(400);
    await client.send(hidden);
    expect((await client.answers()).map(({ status }) => status)).toEqual([]);
    expect(upstream.requests).toEqual([]);
  });

  it("is never read as the next request, where the upstream answers before it took it", async () => {
    const hidden = await inner();
    upstream.script = tellBack;
    const early = "POST /open/early HTTP/1.1\r\nHost: api.example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
    const client = await (await open()).send(`${early}${(hidden.length + 1).toString(16)}\r\n`);
    await client.send([hidden.slice(0, 10), hidden.slice(10)]);
    client.socket.end();
    await client.closed();
    expect(upstream.requests).toEqual([]);
  });
});

describe("an answer", () => {
  it("of a caller that left is nobody else's", async () => {
    const held: (() => void)[] = [];
    upstream.script = (request, socket) => {
      if (request.target === "/held") held.push(() => tellBack(request, socket));
      else tellBack(request, socket);
      arrived();
    };
    let arrived = () => {};
    const leaver = await open();
    const came = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    await leaver.send(await signedRequest(devices.boss, "/held"));
    await came;
    leaver.destroy();
    const others = Array.from({ length: 4 }, async (_, i) => {
      const client = await open();
      await client.send(await signedRequest(devices.till, `/other/${i}`));
      if (i === 0) for (const answer of held) answer();
      expect(told(await client.answer())).toMatchObject({ target: `/other/${i}` });
    });
    await Promise.all(others);
  });
});

describe("a connection that is no HTTP any more", () => {
  const asking = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const large = "x".repeat(8 << 20);
  /** Answers `/open` once told to, and switches at `/socket`. */
  const switching = () => {
    let answer = () => {};
    const came = new Promise<void>((resolve) => {
      upstream.script = (request, socket) => {
        if (request.target === "/socket") socket.end(`HTTP/1.1 101 ok\r\n${asking}\r\nhello`);
        else {
          answer = () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${large.length}\r\n\r\n${large}`);
          resolve();
        }
      };
    });
    return { came, answer: () => answer() };
  };

  it.each([
    { what: "an upgrade", bytes: bare("/socket", asking), status: 101 },
    { what: "an upgrade that is refused", bytes: bare("/secret", asking), status: 400 },
    { what: "an upgrade of a route without", bytes: bare("/open/here", asking), status: 200 },
    { what: "CONNECT", bytes: `CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n`, status: 400 },
  ])("begins behind the answers that are due: $what", async ({ bytes, status }) => {
    const { came, answer } = switching();
    const client = await (await open()).send(bare("/open") + bytes);
    await came;
    expect(client.unread).toBe("");
    if (status === 200) {
      const held = answer;
      upstream.script = tellBack;
      held();
    } else answer();
    const first = await client.answer();
    expect([first.status, first.body.length]).toEqual([200, large.length]);
    await client.closed();
    expect(client.unread).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    if (status === 101) expect(client.unread).toMatch(/\r\n\r\nhello$/);
  });

  it("leaves nothing behind where its caller goes before the answers that are due", async () => {
    const { came } = switching();
    const client = await (await open()).send(bare("/open") + bare("/socket", asking));
    await came;
    const [waiting] = upstream.sockets;
    const gone = new Promise((resolve) => waiting?.once("close", resolve));
    client.socket.resetAndDestroy();
    await gone;
    expect(upstream.requests.map(({ target }) => target)).toEqual(["/open"]);
  });
});
