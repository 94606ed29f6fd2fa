import { once } from "node:events";
import type { Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { routeOf } from "../fixtures/settings.js";
import { type HostileStage, openGateway } from "./hostile-stage.js";
import { RawClient } from "./raw-client.js";
import { type RecordingUpstream, recordingUpstream, type Told, tellBack } from "./recording-upstream.js";
import { valuesOf } from "./strict-http1.js";
import { type UpstreamCase, upstreamCases } from "./upstream-cases.js";

let upstream: RecordingUpstream;
let stage: HostileStage;
let client: RawClient;

beforeAll(async () => {
  upstream = await recordingUpstream();
  const route = routeOf({ public: true, answerTimeoutMs: 150, idleTimeoutMs: 150 });
  // One connection, so that the next request meets whatever is left of the one before it.
  stage = await openGateway(upstream.url, [route], {}, { maxConnections: 1 });
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

const request = (target: string, method = "GET") => `${method} ${target} HTTP/1.1\r\nHost: a.example\r\n\r\n`;
const cases = upstreamCases.map((each) => [each.name, each] as const);

describe("an upstream that says", () => {
  it.each(cases)(
    "%s",
    async (_, { does, method, status, body, without = [], breaks, later }: UpstreamCase) => {
      let used: Socket | undefined;
      upstream.script = (asked, socket) => {
        if (asked.target === "/a") {
          used = socket;
          does(socket);
        } else tellBack(asked, socket);
      };
      client = await RawClient.open(stage.port);
      await client.send(request("/a", method));
      if (breaks) {
        await expect(client.answer(method)).rejects.toThrow(/ended within an answer/);
        client = await RawClient.open(stage.port);
      } else {
        const answer = await client.answer(method);
        expect(answer.status, answer.body).toBe(status);
        if (body !== undefined) expect(answer.body).toBe(body);
        expect(answer.trailers).toEqual([]);
        for (const name of without) expect(valuesOf(answer, name), name).toEqual([]);
      }
      if (later !== undefined && used !== undefined) {
        const ended = once(used, "close");
        later(used);
        await ended;
      }
      // Whoever asks next gets the own answer, and nothing of what was left.
      for (const target of ["/next", "/after"]) {
        await client.send(request(target));
        const next = await client.answer();
        expect(next.status, next.body).toBe(200);
        expect(JSON.parse(next.body) as Told).toMatchObject({ target });
      }
      expect(client.unread).toBe("");
      expect(upstream.requests.map(({ target }) => target)).toEqual(["/a", "/next", "/after"]);
    },
  );
});
