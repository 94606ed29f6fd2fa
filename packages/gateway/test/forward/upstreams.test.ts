import type { RequestListener, ServerResponse } from "node:http";
import { request as httpRequest } from "node:http";
import { describe, expect, it } from "vitest";
import { Upstream } from "../../src/forward/upstream.js";
import { Upstreams } from "../../src/forward/upstreams.js";
import { ask, closingAfterEach, context, deadUrl, serve, setStage, upstreamSettings } from "./stage.js";

const opened = closingAfterEach();

const silent = { debug() {}, info() {}, warn() {}, error() {} };
const nowhere = ["http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"];
const none = new Set<never>();
const until = async (holds: () => boolean) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};
const named = (name: string, more: RequestListener = (_, response) => void response.end(name)) => serve(more);

describe("which server is asked", () => {
  it("is the one with the fewest requests under way, and equal ones take turns", () => {
    const upstream = new Upstream(upstreamSettings(nowhere), undefined, { logger: silent });
    const ports = () => upstream.take(none)?.url.port;
    const first = [ports(), ports(), ports()];
    expect(new Set(first)).toEqual(new Set(["1", "2", "3"]));
    const [busiest, free] = [upstream.take(none), upstream.take(none)];
    const [third] = ["1", "2", "3"].filter((port) => port !== busiest?.url.port && port !== free?.url.port);
    expect(ports()).toBe(third);
    if (free !== undefined) upstream.release(free);
    expect(ports()).toBe(free?.url.port);
  });

  it("is none where each has as many as it takes, and who waits comes in turn", () => {
    const upstream = new Upstream(upstreamSettings(nowhere.slice(0, 1), { maxConnections: 1 }), undefined, {
      logger: silent,
    });
    const server = upstream.take(none);
    expect(upstream.take(none)).toBeUndefined();
    const came: string[] = [];
    const comes = (name: string) => {
      const leave = upstream.wait(() => {
        leave();
        came.push(name);
        return upstream.take(none) !== undefined;
      });
      return leave;
    };
    comes("first");
    comes("leaves")();
    comes("second");
    if (server === undefined) throw new TypeError("no server");
    upstream.release(server);
    expect(came).toEqual(["first"]);
    upstream.release(server);
    expect(came).toEqual(["first", "second"]);
  });

  it("is not found out by more than a thousand who wait", () => {
    const upstream = new Upstream(upstreamSettings(nowhere), undefined, { logger: silent });
    for (let i = 0; i < 1000; i++) upstream.wait(() => false);
    expect(() => upstream.wait(() => false)).toThrow(expect.objectContaining({ code: "gateway_busy" }));
  });

  it("is not one that refused a connection a moment ago, where there is another", () => {
    let now = 0;
    const upstream = new Upstream(upstreamSettings(nowhere.slice(0, 2)), undefined, {
      logger: silent,
      now: () => now,
    });
    const [one, other] = [upstream.take(none), upstream.take(none)];
    if (one === undefined || other === undefined) throw new TypeError("no server");
    upstream.unreachable(one);
    upstream.release(one);
    expect(upstream.take(none)).toBe(other);
    expect(upstream.take(none)).toBe(other);
    upstream.unreachable(other);
    expect(upstream.take(none)).toBe(one);
    now = 1001;
    expect(upstream.take(none)).toBe(one);
  });

  it("is the next one where a connection was refused, though the request has a body; and nobody where all refuse", async () => {
    const well = await named("well", (request, response) => void request.pipe(response));
    const dead = await deadUrl();
    const stage = opened(await setStage({ upstreams: [upstreamSettings([dead, well.url])] }));
    for (let i = 0; i < 4; i++)
      expect((await ask(stage.port, { method: "POST", body: "hello" })).body).toBe("hello");
    expect(stage.log).toEqual([]);
    await well.close();
    const answer = await ask(stage.port);
    expect([answer.status, JSON.parse(answer.body).error]).toEqual([502, "upstream_unreachable"]);
  });
});

describe("requests that wait for a connection", () => {
  const held = async (answerTimeoutMs: number) => {
    const answers: ServerResponse[] = [];
    const service = opened(await named("held", (_, response) => void answers.push(response)));
    const upstreams = [upstreamSettings([service.url], { maxConnections: 1 })];
    const stage = opened(await setStage({ upstreams, route: { answerTimeoutMs } }));
    return { answers, stage };
  };

  it("go on when one becomes free, and their place is given on where they leave", async () => {
    const { answers, stage } = await held(5000);
    const first = ask(stage.port);
    await until(() => answers.length === 1);
    const leaving = httpRequest({ port: stage.port, agent: false });
    leaving.on("error", () => {});
    leaving.end();
    await until(() => stage.running.size === 2);
    const third = ask(stage.port, { path: "/third" });
    await until(() => stage.running.size === 3);
    leaving.destroy();
    await until(() => stage.running.size === 2);
    answers[0]?.end("one");
    expect((await first).body).toBe("one");
    await until(() => answers.length === 2);
    expect(answers[1]?.req.url).toBe("/third");
    answers[1]?.end("three");
    expect((await third).body).toBe("three");
  });

  it("wait no longer than for an answer", async () => {
    const { answers, stage } = await held(200);
    const first = ask(stage.port);
    await until(() => answers.length === 1);
    const answer = await ask(stage.port);
    expect([answer.status, JSON.parse(answer.body).error]).toEqual([504, "upstream_timeout"]);
    expect((await first).status).toBe(504);
  });
});

describe("health checks", () => {
  const health = { path: "/health", intervalMs: 5, timeoutMs: 200, failures: 2 };

  it("take a server out after so many failures, and back after one success", async () => {
    let status = 200;
    let checks = 0;
    const one = opened(
      await named("one", (request, response) => {
        if (request.url === "/health") {
          checks += 1;
          response.statusCode = status;
        }
        response.end("one");
      }),
    );
    const other = opened(await named("other"));
    const stage = opened(await setStage({ upstreams: [upstreamSettings([one.url, other.url], { health })] }));
    const healthy = () => stage.forwarder.status().upstreams.map((server) => server.healthy);
    const bodies = async () =>
      new Set(await Promise.all([1, 2, 3, 4].map(async () => (await ask(stage.port)).body)));
    expect(await bodies()).toEqual(new Set(["one", "other"]));
    status = 500;
    await until(() => healthy()[0] === false);
    expect(await bodies()).toEqual(new Set(["other"]));
    status = 302;
    await until(() => healthy()[0] === true);
    expect(await bodies()).toEqual(new Set(["one", "other"]));
    expect(stage.log.map(({ level, message }) => `${level}: ${message}`)).toEqual([
      "warn: a server of an upstream fails its health check",
      "warn: a server of an upstream is well again",
    ]);
    await stage.forwarder.close();
    const before = checks;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(checks).toBe(before);
  });

  it("let those go on who wait, once a server is well again", async () => {
    let status = 500;
    const service = opened(await named("one", (_, response) => void response.writeHead(status).end()));
    const settings = upstreamSettings([service.url, await deadUrl()], { health, maxConnections: 1 });
    const upstream = new Upstream(settings, undefined, { logger: silent });
    await until(() => upstream.status().every(({ healthy }) => !healthy));
    let turns = 0;
    upstream.wait(() => {
      turns += 1;
      return upstream.take(none) !== undefined;
    });
    status = 200;
    await until(() => turns === 1);
    expect(upstream.status().map(({ pending }) => pending)).toEqual([1, 0]);
    await upstream.destroy();
  });

  it("leave nobody to ask where all fail: by their status, by refusing, by silence", async () => {
    const failing = [
      opened(await named("500", (_, response) => void response.writeHead(500).end())).url,
      await deadUrl(),
      opened(await named("silent", () => {})).url,
    ];
    const stage = opened(
      await setStage({ upstreams: [upstreamSettings(failing, { health: { ...health, timeoutMs: 20 } })] }),
    );
    await until(() => stage.forwarder.status().upstreams.every((server) => !server.healthy));
    const answer = await ask(stage.port);
    expect([answer.status, answer.headers["retry-after"], JSON.parse(answer.body).error]).toEqual([
      503,
      "1",
      "upstream_unhealthy",
    ]);
  });

  it("are spread in time", async () => {
    const waits: number[] = [];
    let random = 0;
    const service = opened(await named("one"));
    const settings = upstreamSettings([service.url], { health: { ...health, intervalMs: 1000 } });
    for (random of [0, 1]) {
      const upstream = new Upstream(settings, undefined, {
        logger: silent,
        random: () => random,
        schedule: (_, ms) => {
          waits.push(ms);
          return () => {};
        },
      });
      const before = waits.length;
      await until(() => waits.length > before);
      await upstream.destroy();
    }
    expect(waits).toEqual([900, 1100]);
  });
});

describe("a new configuration", () => {
  it("keeps the connections of upstreams that it leaves as they are, and lets the others finish", async () => {
    const answers: ServerResponse[] = [];
    const kept = opened(
      await named("kept", (request, response) => void response.end(String(request.socket.remotePort))),
    );
    const leaving = opened(await named("leaving", (_, response) => void answers.push(response)));
    const replaced = opened(await named("replaced"));
    const upstreams = (url: string) => [
      upstreamSettings([kept.url], { name: "kept" }),
      upstreamSettings([url], { name: "service" }),
    ];
    const stage = opened(await setStage({ upstreams: upstreams(leaving.url) }));
    const before = ask(stage.port);
    await until(() => answers.length === 1);
    const at = { maxWebSockets: 1, context };
    stage.forwarder.reload({ ...at, upstreams: upstreams(replaced.url) });
    expect((await ask(stage.port)).body).toBe("replaced");
    answers[0]?.end("finished");
    expect((await before).body).toBe("finished");
    await until(() => leaving.sockets.size === 0);
    expect(stage.forwarder.status().upstreams.map(({ url }) => url)).toEqual([kept.url, replaced.url]);
    stage.forwarder.reload({ ...at, upstreams: [] });
    expect(JSON.parse((await ask(stage.port)).body).error).toBe("no_route");
  });

  it("changes nothing where authorities cannot be read", () => {
    const ca = `${import.meta.dirname}/no-such-file.pem`;
    const upstreams = new Upstreams([upstreamSettings(nowhere)], { logger: silent });
    const first = upstreams.find("service");
    upstreams.replace([upstreamSettings(nowhere)]);
    expect(upstreams.find("service")).toBe(first);
    expect(() => upstreams.replace([upstreamSettings(nowhere, { ca })])).toThrow(
      expect.objectContaining({ code: "gateway_config_invalid" }),
    );
    expect(upstreams.find("service")).toBe(first);
  });
});
