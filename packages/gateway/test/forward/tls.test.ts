import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { afterAll, beforeAll, expect, it } from "vitest";
import { makeCertificate } from "../../../../test/fixtures/certificates.js";
import { ask, type Listening, listen, setStage, upstreamSettings } from "./stage.js";

const dir = mkdtempSync(join(tmpdir(), "amesh-upstream-"));
const [cert, key] = [join(dir, "cert.pem"), join(dir, "key.pem")];
let upstream: Listening;
let connections = 0;

beforeAll(async () => {
  await makeCertificate({ cert, key }, { names: ["DNS:localhost", "IP:127.0.0.1"] });
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    response.end(JSON.stringify([request.headers.host, (request.socket as TLSSocket).servername]));
  });
  server.on("secureConnection", () => {
    connections += 1;
  });
  upstream = await listen(server);
});
afterAll(async () => {
  await upstream.close();
  rmSync(dir, { recursive: true });
});

it.each([
  ["localhost", "localhost"],
  ["127.0.0.1", false],
])(
  "an upstream at https://%s is asked for its own certificate, whatever host the caller named",
  async (host, name) => {
    const url = `https://${host}:${upstream.port}`;
    const stage = await setStage({ upstreams: [upstreamSettings([url], { ca: cert })] });
    connections = 0;
    for (const Host of ["api.example.com", "other.example.com", "api.example.com"])
      expect(JSON.parse((await ask(stage.port, { headers: { Host } })).body)).toEqual([Host, name]);
    expect(connections).toBe(1);
    await stage.close();
  },
);

it("an upstream whose certificate nobody vouches for is not asked", async () => {
  const stage = await setStage({ upstreams: [upstreamSettings([`https://localhost:${upstream.port}`])] });
  const answer = await ask(stage.port);
  expect([answer.status, JSON.parse(answer.body).error]).toEqual([502, "upstream_unreachable"]);
  await stage.close();
});

it("an upstream that wants its own host gets it", async () => {
  const url = `https://localhost:${upstream.port}`;
  const stage = await setStage({ upstreams: [upstreamSettings([url], { ca: cert, host: "upstream" })] });
  expect(JSON.parse((await ask(stage.port, { headers: { Host: "api.example.com" } })).body)[0]).toBe(
    `localhost:${upstream.port}`,
  );
  await stage.close();
});
