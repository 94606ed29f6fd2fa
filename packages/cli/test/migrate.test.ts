import { execFile } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  createVerifier,
  type IncomingRequest,
  InMemoryNonceStore,
  PublicKey,
  signRequest,
} from "@authmesh/core";
import type { OpenIdentity } from "@authmesh/keystore";
import { type AuthenticatedRequest, type Logger, verify } from "@authmesh/sdk";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { SoftwareTpm } from "../../keystore/test/swtpm.js";
import { bin, newMachine, type TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const stops: (() => void)[] = [];
let env: { AMESH_TPM: string };
beforeAll(async () => {
  ({ env } = await SoftwareTpm.start((stop) => void stops.push(stop)));
});
afterAll(() => {
  for (const stop of stops) stop();
});

/** A service that answers with the id of the device that calls. */
async function serve(machine: TestMachine): Promise<string> {
  const guard = verify({ allowList: machine.dir, logger: silent });
  const server = createServer((request, response) =>
    guard(request, response, () =>
      response.end((request as unknown as AuthenticatedRequest).authMesh.deviceId),
    ),
  );
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders`;
}

/** One machine lists another, both ways, as after a pairing. */
async function pair(controller: TestMachine, target: TestMachine): Promise<void> {
  const [caller, callee] = [await controller.open(), await target.open()];
  const name = ({ identity }: OpenIdentity) => identity.friendlyName;
  await target.trust(name(caller), { publicKey: caller.publicKey, scopes: { orders: "rw" } });
  await controller.trust(name(callee), { publicKey: callee.publicKey, role: "target" });
}

/** Runs a line as people copy it, in a shell of that machine. */
async function runLine(machine: TestMachine, line: string): Promise<string> {
  writeFileSync(join(machine.folder, "amesh"), `#!/bin/sh\nexec "${process.execPath}" "${bin}" "$@"\n`, {
    mode: 0o755,
  });
  const PATH = `${machine.folder}:${machine.env["PATH"]}`;
  const { stdout } = await promisify(execFile)("/bin/sh", ["-c", line], {
    env: { ...machine.env, PATH },
  });
  return stdout;
}

describe("amesh init --migrate", () => {
  it("moves a caller to the TPM while services let both keys in, until the old one ends", async () => {
    const [caller, orders, builds] = [
      await newMachine("ci"),
      await newMachine("orders"),
      await newMachine("builds"),
    ];
    await pair(caller, orders);
    await pair(caller, builds);
    const urls = [await serve(orders), await serve(builds)];
    const call = async () =>
      Promise.all(urls.map(async (url) => (await caller.run(["request", "GET", url], { env })).stdout));
    const { identity: old } = await caller.open();
    const shown = await caller.succeed(["init", "--migrate"], { env });
    const { next, peers, findings } = documentOf(
      await caller.succeed(["init", "--migrate", "--json"], { env }),
    );
    expect((findings as unknown[]).at(-1)).toMatchObject({ name: "tpm", status: "selected" });
    expect(peers.map(({ friendlyName }: { friendlyName: string }) => friendlyName)).toEqual([
      "orders",
      "builds",
    ]);
    for (const { command } of peers) expect(shown.stdout).toContain(`\n    ${command}\n`);
    expect(shown.stdout).toMatch(/^Detecting key storage backend:\n( {2}.*\n)* {2}TPM 2\.0 +selected\n/);
    expect(shown.stderr).toBe("Next: amesh init --migrate --finish\n");
    expect(await call()).toEqual([old.deviceId, old.deviceId]);

    expect(await runLine(orders, peers[0].command)).toMatch(`✔ "ci" (${next.deviceId}) added as controller`);
    await runLine(builds, peers[1].command);
    expect(await call()).toEqual([old.deviceId, old.deviceId]);
    const previous = await caller.open();
    const finished = await caller.succeed(["init", "--migrate", "--finish", "--yes"], { env });
    expect(finished.stdout).toContain(`✔ This machine is "ci" (${next.deviceId}) now.`);
    expect(await call()).toEqual([next.deviceId, next.deviceId]);

    const entry = (await orders.devices()).find(({ deviceId }) => deviceId === old.deviceId);
    const ends = entry?.expiresAt ?? 0;
    expect(await decisionAt(orders, previous, ends - 60)).toBe("allowed");
    expect(await decisionAt(orders, previous, ends)).toBe("entry_expired");
    expect(await decisionAt(orders, await caller.open(env), ends)).toBe("allowed");

    const forgotten = await caller.succeed(["init", "--migrate", "--forget-previous", "--yes", "--json"], {
      env,
    });
    expect(documentOf(forgotten)).toMatchObject({ forgotten: { deviceId: old.deviceId } });
    expect(readdirSync(caller.dir).filter((name) => /^device\.|previous|passphrase/.test(name))).toEqual([]);
    expect(await call()).toEqual([next.deviceId, next.deviceId]);
  }, 60_000);

  it("asks before it goes over, deletes or cancels, and says what comes next", async () => {
    const machine = await newMachine("ci");
    const before = readdirSync(machine.dir).sort();
    const on = (...flags: string[]) => ["init", "--migrate", ...flags];
    const { next } = documentOf(await machine.succeed(on("--json"), { env }));
    expect(await machine.run(on("--finish"), { env })).toEqual({
      status: 2,
      ...failed("input_required", "--yes"),
    });
    const no = await machine.runInTerminal(on("--finish"), [["Use it from now on? [y/N] ", "n\n"]], env);
    expect([no.status, no.screen]).toEqual([1, expect.stringContaining("(declined)")]);
    const cancelled = await machine.runInTerminal(
      on("--cancel"),
      [[`${next.deviceId}, which nothing`, "y\n"]],
      env,
    );
    expect(cancelled.screen).toContain(`amesh revoke ${next.deviceId}`);
    expect(readdirSync(machine.dir).sort()).toEqual(before);
    await machine.succeed(on(), { env });
    const yes = await machine.runInTerminal(on("--finish"), [["Use it from now on? [y/N] ", "y\n"]], env);
    expect(yes.status).toBe(0);
    expect(await machine.run(on(), { env })).toEqual({
      status: 1,
      ...failed("migration_unfinished", "--forget-previous"),
    });
    const typed = [["can sign no longer. [y/N] ", "y\n"]] as const;
    expect((await machine.runInTerminal(on("--forget-previous"), typed, env)).status).toBe(0);
    expect(documentOf(await machine.run(["status", "--json"], { env })).device.deviceId).not.toBe(
      next.deviceId,
    );
  });

  it("stays where it is when nothing better is found", async () => {
    const machine = await newMachine("ci");
    const result = await machine.run(["init", "--migrate"], { env: { AMESH_TPM: undefined } });
    expect(result).toEqual({ status: 1, ...failed("key_store_in_use", "--backend") });
    expect(result.stderr).toContain("TPM 2.0: ");
    const none = await machine.run(["init", "--migrate", "--finish"]);
    expect(none).toEqual({ status: 1, ...failed("migration_not_found", "amesh init --migrate") });
  });

  it("says the generated passphrase when it goes to a file", async () => {
    const machine = await newMachine("ci", { env });
    const { stderr } = await machine.succeed(["init", "--migrate", "--backend", "encrypted-file"], { env });
    expect(stderr).toMatch(/^amesh: warning: The key is encrypted under a generated passphrase/);
    await machine.succeed(["init", "--migrate", "--finish", "--yes"], { env });
    expect((await machine.succeed(["status"])).stdout).toContain("Backend       : Encrypted file");
  });

  it.each([
    [["--finish"]],
    [["--migrate", "--finish", "--cancel"]],
    [["--migrate", "--replace-lost"]],
    [["--migrate", "--name", "x"]],
    [["--migrate", "--yes"]],
    [["--migrate", "--finish", "--backend", "tpm"]],
    [["--yes"]],
  ])("refuses %j, which do not go together", async (flags) => {
    const machine = await newMachine("ci");
    const result = await machine.run(["init", ...flags]);
    expect(result).toEqual({ status: 2, ...failed("invalid_option", "amesh init --help") });
    for (const flag of flags.filter((one) => one.startsWith("--"))) expect(result.stderr).toContain(flag);
  });
});

describe("amesh status and amesh doctor", () => {
  it("say how far a migration has come, and what comes next", async () => {
    const machine = await newMachine("ci", { audience: ["ci.example"] });
    const seen = async () => {
      const [status, doctor] = await Promise.all([
        machine.run(["status"], { env }),
        machine.run(["doctor", "--offline", "--json"], { env }),
      ]);
      const { verdict, fix } = documentOf(doctor).checks.find(
        ({ check }: { check: string }) => check === "Migration",
      );
      if (fix !== undefined) expect(status.stdout).toMatch(/^WARN/);
      if (fix !== undefined) expect(status.stdout).toContain(fix);
      return [status.status, verdict, fix?.match(/--[a-z-]+(?=[ )]|$)/g)?.at(-1)];
    };
    expect(await seen()).toEqual([0, "OK", undefined]);
    await machine.succeed(["init", "--migrate"], { env });
    expect(await seen()).toEqual([0, "WARN", "--cancel"]);
    const prepared = readFileSync(join(machine.dir, "identity.next.json"));
    await machine.succeed(["init", "--migrate", "--finish", "--yes"], { env });
    expect(await seen()).toEqual([0, "WARN", "--forget-previous"]);
    writeFileSync(join(machine.dir, "identity.next.json"), prepared);
    expect((await machine.run(["doctor", "--offline"], { env })).stdout).toMatch(
      /WARN {2}Migration +Going over to a new key was interrupted\..*\n +Run `amesh init --migrate --finish` again/,
    );
    writeFileSync(join(machine.dir, "identity.next.json"), "{}");
    expect((await machine.run(["status"], { env })).stdout).toMatch(
      /^FAIL {2}identity\.next\.json cannot be read/,
    );
    rmSync(join(machine.dir, "identity.next.json"));
  });
});

/** What the service decides, at a time, on a request that this identity signs then. */
async function decisionAt(service: TestMachine, caller: OpenIdentity, seconds: number): Promise<string> {
  const now = () => seconds * 1000;
  const nonces = new InMemoryNonceStore({ now });
  const verifier = createVerifier({ trust: await service.openList(), nonces, audience: ["127.0.0.1"], now });
  const authorization = await signRequest(
    { method: "GET", url: new URL("http://127.0.0.1/orders") },
    { key: PublicKey.fromBase64(caller.identity.publicKey).base64, sign: caller.sign, now },
  );
  const headers: Record<string, string[]> = { authorization: [authorization], host: ["127.0.0.1"] };
  const request: IncomingRequest = {
    method: "GET",
    target: "/orders",
    hasBody: false,
    headers: (name) => headers[name] ?? [],
    bodyHash: async () => "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  };
  const decision = await verifier(request);
  return decision.allowed ? "allowed" : decision.failure.code;
}
