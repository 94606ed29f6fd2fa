import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { routeOf } from "../fixtures/settings.js";
import { type HostileStage, host, openGateway, proofLines, trustedDevices } from "./hostile-stage.js";
import { type AtEnd, lenientServices, secret } from "./lenient-services.js";
import { pathTricks } from "./path-tricks.js";
import { RawClient } from "./raw-client.js";

let devices: Awaited<ReturnType<typeof trustedDevices>>;
beforeAll(async () => {
  devices = await trustedDevices();
});
afterAll(() => devices.close());

/** One is for all, one for few; what no route names is for nobody. */
const routes = [
  routeOf({ name: "public", path: "/public", public: true }),
  routeOf({ name: "admin", path: "/admin", scopes: ["admin:w"] }),
];
/** All is for all but what one route names: the harder case. */
const openRoutes = [
  routeOf({ name: "all", public: true }),
  routeOf({ name: "admin", path: "/admin", scopes: ["admin:w"] }),
];

describe.each(Object.entries(lenientServices))("before %s", (_, start) => {
  const stops: (() => Promise<void>)[] = [];
  const atEnd: AtEnd = (stop) => void stops.unshift(stop);
  const stages: HostileStage[] = [];

  beforeAll(async () => {
    const url = await start(atEnd);
    for (const each of [routes, openRoutes]) {
      const stage = await openGateway(url, each, { verification: devices.verification });
      stages.push(stage);
      atEnd(() => stage.gateway.close());
    }
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });

  async function ask({ port }: HostileStage, target: string, lines = "") {
    const client = await RawClient.open(port);
    await client.send(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines}Connection: close\r\n\r\n`);
    const answers = await client.answers();
    expect(answers).toHaveLength(1);
    return { status: answers[0]?.status ?? 0, body: answers[0]?.body ?? "" };
  }

  it("whoever may see the secret sees it", async () => {
    for (const stage of stages) {
      const lines = await proofLines(devices.boss, "/admin/secret");
      expect(await ask(stage, "/admin/secret", lines)).toEqual({ status: 200, body: secret });
    }
  });

  it.each([
    ["with a route for the rest alone", 0],
    ["with a route for everything", 1],
  ] as const)("no path leads to it with what the public route asks, %s", async (_, which) => {
    const stage = stages[which] as HostileStage;
    const led: string[] = [];
    for (const target of pathTricks) {
      const nobody = await ask(stage, target);
      const plain = /^\/[!-~]*$/.test(target) ? await proofLines(devices.till, target).catch(() => "") : "";
      const somebody = plain === "" ? nobody : await ask(stage, target, plain);
      for (const { body } of [nobody, somebody]) if (body.includes(secret)) led.push(target);
      // Whatever is not refused was sent on as it stands: nothing is repaired on the way.
      expect([200, 301, 400, 401, 403, 404], `${target}: ${nobody.status} ${nobody.body}`).toContain(
        nobody.status,
      );
    }
    expect(led).toEqual([]);
  });
});
