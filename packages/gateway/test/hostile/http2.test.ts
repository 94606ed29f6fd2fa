import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { makeCertificate } from "../../../../test/fixtures/certificates.js";
import { routeOf } from "../fixtures/settings.js";
import { type HostileStage, openGateway } from "./hostile-stage.js";
import { floods, type Http2Case, http2Cases } from "./http2-cases.js";
import { fieldBlock, flags, frame, frameTypes, RawHttp2 } from "./raw-http2.js";
import { type RecordingUpstream, recordingUpstream } from "./recording-upstream.js";

const folder = mkdtempSync(join(tmpdir(), "amesh-hostile-"));
let upstream: RecordingUpstream;
let stage: HostileStage;
const sessions: RawHttp2[] = [];

beforeAll(async () => {
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  await makeCertificate({ cert, key }, { subject: "a.example" });
  upstream = await recordingUpstream();
  const tls = { cert, key, clientCa: undefined, requireClientCert: false };
  const listen = { host: "127.0.0.1", port: 0, tls };
  stage = await openGateway(upstream.url, [routeOf({ public: true })], { listen });
});
afterEach(() => {
  for (const session of sessions.splice(0)) session.destroy();
  upstream.requests.splice(0);
  expect(upstream.problems.splice(0)).toEqual([]);
});
afterAll(async () => {
  await stage.gateway.close();
  await upstream.close();
  rmSync(folder, { recursive: true });
});

async function open(): Promise<RawHttp2> {
  const session = await RawHttp2.open(stage.port);
  sessions.push(session);
  return session;
}

const plain = http2Cases[0] as Http2Case;

describe("a request of HTTP/2", () => {
  it.each(http2Cases.map((each) => [each.name, each] as const))(
    "%s",
    async (_, { frames, outcome, body = "" }) => {
      const session = await open();
      await session.send(...frames);
      expect(await session.outcome).toBe(outcome);
      expect(upstream.requests.map((request) => [request.target, request.body])).toEqual(
        outcome === 200 ? [["/a", body]] : [],
      );
      const sent = upstream.requests.flatMap(({ headers, trailers }) => [...headers, ...trailers]).flat();
      expect(sent.join()).not.toMatch(/root|\bz\b/);
    },
  );

  it.each([
    ["more than it says", ["hello", "!"]],
    ["less than it says", ["hell"]],
  ])("whose body is %s reaches nobody whole", async (_, pieces) => {
    const block = fieldBlock([
      [":method", "POST"],
      [":scheme", "https"],
      [":authority", "a.example"],
      [":path", "/a"],
      ["content-length", "5"],
    ]);
    const session = await open();
    const last = pieces.length - 1;
    await session.send(
      frame(frameTypes.headers, flags.endHeaders, 1, block),
      ...pieces.map((piece, i) => frame(frameTypes.data, i === last ? flags.endStream : 0, 1, piece)),
    );
    expect(await session.outcome).not.toBe(200);
    expect(upstream.requests).toEqual([]);
  });
});

describe("a body of HTTP/2 that nobody wants", () => {
  const closed = (
    session: ClientHttp2Session,
    path: string,
  ): Promise<readonly [number, number | undefined]> =>
    new Promise((resolve) => {
      let status = 0;
      const stream = session.request({ ":path": path, ":method": "POST", ":authority": "a.example" });
      stream.on("error", () => {}).resume();
      stream.once("response", (head) => {
        status = head[":status"] ?? 0;
      });
      stream.once("close", () => resolve([status, stream.rstCode]));
      stream.end(Buffer.alloc(200_000));
    });

  it.each([1, 100])("ends with the refusal, and its stream with it: %i at once", async (count) => {
    const session = connect(`https://127.0.0.1:${stage.port}`, {
      rejectUnauthorized: false,
      maxSessionMemory: 100, // what waits to be sent counts
    });
    const all = await Promise.all(Array.from({ length: count }, () => closed(session, "/a//b")));
    expect(new Set(all.map(String))).toEqual(new Set(["400,0"]));
    session.close();
  });
});

describe("a connection of HTTP/2 with", () => {
  it.each(Object.entries(floods))(
    "%s keeps nobody else from being served",
    async (_, { first, again, ends }) => {
      const session = await open();
      await session.send(...first);
      const many = Buffer.concat(Array.from({ length: 100 }, () => again));
      // What is given up is not read any more, so that writing would wait for ever.
      for (let i = 0; i < 200 && !session.over; i++)
        await Promise.race([session.send(many), session.outcome]);
      if (ends) expect(["goaway", "closed"]).toContain(await session.outcome);
      expect(session.over).toBe(ends);
      const other = await open();
      await other.send(...plain.frames);
      expect(await other.outcome).toBe(200);
      expect(upstream.requests).toHaveLength(1);
    },
  );
});
