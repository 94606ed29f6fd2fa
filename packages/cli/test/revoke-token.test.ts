import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { AmeshError } from "@authmesh/core";
import { pollRevocations } from "@authmesh/oath";
import { createClient } from "@authmesh/sdk";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../../test/fixtures/free-port.js";
import { listRevocations } from "../src/authority/revocations.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const host = new TestMachine();
const operator = new TestMachine();
const worker = new TestMachine();
const dir = join(host.folder, "authority");
const env = { AMESH_TPM: undefined, AUTH_MESH_PASSPHRASE: "correct horse battery staple 9" };
const sub = "svc://billing/worker";
let url: string;
let serving: ReturnType<TestMachine["start"]>;

/** Makes a machine that the authority knows. */
async function enrol(machine: TestMachine, name: string, ...more: string[]): Promise<string> {
  const { publicKey, deviceId } = await machine.init(name);
  const add = ["add", "--authority", dir, "--name", name, "--public-key", "-", "--yes", ...more];
  await host.succeed(add, { input: publicKey, env });
  return deviceId;
}

const revokeToken = (machine: TestMachine, ...args: string[]) =>
  machine.run(["revoke-token", "--authority", url, ...args]);
const listed = async () => documentOf(await revokeToken(operator, "--list", "--json")).revocations;

beforeAll(async () => {
  const port = await freePort();
  url = `http://localhost:${port}`;
  await host.succeed(["authority", "init", "--dir", dir, "--backend", "encrypted-file"], { env });
  await enrol(operator, "operator", "--scope", "revocations:rw");
  await enrol(worker, "worker");
  serving = host.start(["authority", "serve", "--dir", dir, "--port", String(port), "--json"], env);
  await serving.event("listening");
}, 30_000);
afterAll(async () => {
  await serving.stop();
  for (const machine of [host, operator, worker]) machine.remove();
});

describe("amesh revoke-token", () => {
  it("revokes a subject for those who follow the list, and takes it back", async () => {
    const reason = 'laptop "stolen"';
    const { status, stdout, stderr } = await revokeToken(operator, "--sub", sub, "--reason", reason, "--yes");
    expect({ status, stdout, stderr }).toEqual({
      status: 0,
      stdout: `✔ Revoked for good: sub "${sub}".\n`,
      stderr: "Next: amesh revoke-token --list\n",
    });
    const client = createClient({ identity: await operator.open(), session: false });
    const followed = pollRevocations({ issuer: url, fetch: client.fetch });
    onTestFinished(() => followed.close());
    await followed.preWarm();
    const token = { iss: url, sub, jti: "1", kid: "k" };
    expect(followed.find(token)).toMatchObject({ by: "sub", value: sub, reason });
    expect(followed.find({ ...token, sub: "svc://other" })).toBeUndefined();

    const { deviceId } = (await operator.open()).identity;
    expect(await listed()).toEqual([
      { issuer: url, by: "sub", value: sub, reason, actor: deviceId, at: expect.any(Number) },
    ]);
    const shown = await revokeToken(operator, "--list");
    expect(shown.stdout).toContain(`sub     "${sub}"\n        for good; `);
    expect(shown.stdout).toContain(` by ${deviceId}: "laptop \\"stolen\\""\n`);

    const removed = await revokeToken(operator, "--remove", "--sub", sub, "--yes");
    expect(removed).toMatchObject({ status: 0, stdout: `✔ Not revoked any more: sub "${sub}".\n` });
    expect(await listed()).toEqual([]);
    const again = await revokeToken(operator, "--remove", "--sub", sub, "--yes");
    expect(again).toEqual({ status: 1, ...failed("service_error", "URL") });
    expect(again.stderr).toContain("There is no such revocation.");
  });

  it("forgets one token's id when no token of that id can be good any more", async () => {
    const before = Math.floor(Date.now() / 1000);
    const more = ["--reason", "leaked", "--yes", "--json"];
    const { revoked } = documentOf(await revokeToken(operator, "--jti", "Zk1x", ...more));
    expect(revoked).toMatchObject({ by: "jti", value: "Zk1x", reason: "leaked" });
    expect(revoked.expiresAt - before).toBeGreaterThanOrEqual(3600);
    expect(revoked.expiresAt - before).toBeLessThan(3660);
    const tenant = documentOf(await revokeToken(operator, "--tenant", "acme", "--expires", "2d", ...more));
    expect(tenant.revoked.expiresAt - before).toBeGreaterThanOrEqual(2 * 86_400);
    expect((await listed()).map(({ by }: { by: string }) => by)).toEqual(["jti", "tenant"]);
  });

  it("is for machines that the authority granted it to", async () => {
    const args = ["--sub", sub, "--reason", "x", "--yes"];
    const denied = await revokeToken(worker, ...args);
    expect(denied).toEqual({ status: 3, ...failed("scope_missing", "revocations:rw") });
    const stranger = new TestMachine();
    onTestFinished(() => stranger.remove());
    expect(await revokeToken(stranger, ...args)).toMatchObject({ status: 4 });
    await stranger.init("stranger");
    expect(await revokeToken(stranger, ...args)).toEqual({
      status: 3,
      ...failed("unauthorized", "amesh list --authority DIR"),
    });
    expect((await listed()).some(({ by }: { by: string }) => by === "sub")).toBe(false);
  });

  it("asks first, and does nothing without a yes", async () => {
    const args = ["revoke-token", "--authority", url, "--tenant", "k", "--reason", "x"];
    expect(await operator.run(args)).toEqual({ status: 2, ...failed("input_required", "--yes") });
    const { status } = await operator.runInTerminal(args, [['Revoke tenant "k"? [y/N] ', "n\r"]]);
    expect(status).toBe(1);
    expect((await listed()).some(({ value }: { value: string }) => value === "k")).toBe(false);
  });

  it("warns of a key that the authority does not publish, and makes no entry that nothing can match", async () => {
    const more = ["--reason", "x", "--yes"];
    const kid = "k".repeat(43);
    const { status, stderr } = await revokeToken(operator, "--kid", kid, ...more);
    expect([status, stderr]).toEqual([0, expect.stringContaining(`publishes no key "${kid}"`)]);
    await revokeToken(operator, "--remove", "--kid", kid, "--yes");
    const pattern = await revokeToken(operator, "--sub", "svc://billing/*", ...more);
    expect(pattern).toEqual({ status: 2, ...failed("authority_request_invalid", "Patterns do not work") });
    expect((await listed()).some(({ by }: { by: string }) => by !== "jti" && by !== "tenant")).toBe(false);
  });

  it.each<[readonly string[], string]>([
    [["--jti", "null", "--reason", "x"], "null is no token's id"],
    [["--reason", "x"], "Give one of --jti"],
    [["--jti", "a", "--sub", "b", "--reason", "x"], "Give one of --jti"],
    [["--jti", "a"], "--reason is missing"],
    [["--jti", "a", "--reason", "x", "--expires", "soon"], "duration"],
    [["--list", "--sub", "b"], "--sub does not go with --list"],
    [["--list", "--remove"], "--remove does not go with --list"],
    [["--remove", "--sub", "b", "--reason", "x"], "--reason does not go with --remove"],
    [["--list", "--authority", "http://issuer.example.com"], "https"],
  ])("refuses %j", async (args, about) => {
    const { status, stderr } = await revokeToken(operator, ...args);
    expect(status).toBe(2);
    expect(stderr).toContain(about);
  });

  it("tells an authority that is away from one that refuses, and from what is none", async () => {
    const away = await operator.run(["revoke-token", "--authority", "http://127.0.0.1:9", "--list"]);
    expect(away).toEqual({ status: 5, ...failed("authority_unreachable", /./) });
    const server = createServer((_, response) => response.writeHead(404).end("<html>"));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const other = await operator.run(["revoke-token", "--authority", `http://127.0.0.1:${port}`, "--list"]);
    expect(other).toEqual({ status: 1, ...failed("service_error", "URL") });
    expect(other.stderr).toContain("is no authority");
  });
});

describe("a list that is read", () => {
  const entry = (generation: number, value: string, more: object = {}) =>
    ({ generation, by: "sub", value, reason: "", actor: "", at: 1, ...more }) as const;
  const page = (generation: number, more: boolean, revocations: object[], log = "abcdefgh") =>
    JSON.parse(JSON.stringify({ issuer: "http://localhost", log, generation, more, revocations }));
  const answering = (...pages: ReturnType<typeof page>[]) => {
    const asked: string[] = [];
    const ask = async (_method: string, path: string) => {
      asked.push(path);
      return pages.shift();
    };
    return { ask, asked };
  };

  it("goes on until there is no more, and keeps the last change of each entry", async () => {
    const { ask, asked } = answering(
      page(2, true, [entry(1, "a"), entry(2, "b")]),
      page(5, false, [
        { generation: 3, by: "sub", value: "a", removed: true },
        entry(4, "c", { expiresAt: 50 }),
        entry(5, "d", { expiresAt: 51 }),
      ]),
    );
    expect((await listRevocations(ask, 50)).map(({ value }) => value)).toEqual(["b", "d"]);
    expect(asked).toEqual([
      "/v1/revocations?after=0&from=0&limit=2000",
      "/v1/revocations?after=2&from=0&limit=2000",
    ]);
  });

  it("is refused when it began anew in between", async () => {
    const { ask } = answering(page(2, true, [entry(1, "a")]), page(3, false, [], "another-log"));
    await expect(listRevocations(ask, 0)).rejects.toMatchObject({ code: "revocation_unavailable" });
  });

  it("whatever it holds: entries, or an error of the catalogue", async () => {
    const members = fc.record({
      issuer: fc.jsonValue(),
      log: fc.constantFrom("abcdefgh", "abcdefgi", 7),
      generation: fc.nat(9),
      more: fc.boolean(),
      revocations: fc.array(
        fc.oneof(
          fc.jsonValue(),
          fc.nat(9).map((generation) => entry(generation, "a")),
        ),
      ),
    });
    await fc.assert(
      fc.asyncProperty(members, async (answer) => {
        const ask = async () => JSON.parse(JSON.stringify(answer));
        await listRevocations(ask, 0).catch((error) => expect(error).toBeInstanceOf(AmeshError));
      }),
    );
  });
});
