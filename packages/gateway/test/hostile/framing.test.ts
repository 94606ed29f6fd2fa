import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { routeOf } from "../fixtures/settings.js";
import { type FramingCase, framingCases } from "./framing-cases.js";
import { type HostileStage, openGateway } from "./hostile-stage.js";
import { RawClient } from "./raw-client.js";
import { type RecordingUpstream, recordingUpstream } from "./recording-upstream.js";
import { valuesOf } from "./strict-http1.js";

let upstream: RecordingUpstream;
let stage: HostileStage;
let client: RawClient;

beforeAll(async () => {
  upstream = await recordingUpstream();
  stage = await openGateway(upstream.url, [routeOf({ public: true })]);
});
afterEach(() => {
  client.destroy();
  upstream.requests.splice(0);
  expect(upstream.problems.splice(0)).toEqual([]);
});
afterAll(async () => {
  await stage.gateway.close();
  await upstream.close();
});

const canary = "GET /canary HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n";
const cases = (wanted: "refused" | "sent") =>
  Object.entries(framingCases).flatMap(([about, all]) =>
    all.filter((each) => each[wanted] !== undefined).map((each) => [about, each.name, each] as const),
  );

describe("a request that two could read in two ways", () => {
  it.each(cases("refused"))("%s: %s", async (_, __, { bytes, refused }: FramingCase) => {
    client = await RawClient.open(stage.port);
    await client.send(bytes);
    const answers = await client.answers();
    expect(answers.map(({ status }) => status)).toEqual([refused]);
    expect(upstream.requests).toEqual([]);
  });
});

describe("a request that is written anew", () => {
  it.each(cases("sent"))("%s: %s", async (_, __, { bytes, sent }: FramingCase) => {
    client = await RawClient.open(stage.port);
    await client.send(bytes);
    const { method = "", target, body, without = [], last = false } = sent ?? {};
    const { status } = await client.answer(method);
    if (!last) await client.send(canary);
    const others = await client.answers();
    expect([status, ...others.map((answer) => answer.status)]).toEqual(last ? [200] : [200, 200]);
    const [first, ...rest] = upstream.requests;
    expect(first).toMatchObject({ method, target, body, trailers: [] });
    expect(rest.map((request) => request.target)).toEqual(last ? [] : ["/canary"]);
    for (const name of without) expect(first && valuesOf(first, name), name).toEqual([]);
  });
});
