import { once } from "node:events";
import { connect } from "node:net";
import { expect, it } from "vitest";
import { routeOf } from "../../packages/gateway/test/fixtures/settings.js";
import { sufferFaults } from "../../packages/gateway/test/hostile/faults.js";
import { openGateway } from "../../packages/gateway/test/hostile/hostile-stage.js";
import { RawClient } from "../../packages/gateway/test/hostile/raw-client.js";

it("a hundred thousand requests that go wrong in every way leave nothing behind", { timeout: 900_000 }, () =>
  sufferFaults({ requests: 100_000, stallEvery: 200 }),
);

it("whoever does not get to the end of its headers is let go of, however it goes about it", {
  timeout: 60_000,
}, async () => {
  const stage = await openGateway(new URL("http://127.0.0.1:9"), [routeOf({ public: true })]);
  const silent = connect(stage.port, "127.0.0.1")
    .on("error", () => {})
    .resume();
  const slow = await RawClient.open(stage.port);
  await slow.send("GET /a HTTP/1.1\r\nHost: a.example\r\n");
  const drip = setInterval(() => void slow.send("X: y\r\n"), 500);
  const gone = once(silent, "close");
  const answers = await slow.answers();
  clearInterval(drip);
  expect(answers.map(({ status }) => status)).toEqual([408]);
  await gone;
  await stage.gateway.close();
});
