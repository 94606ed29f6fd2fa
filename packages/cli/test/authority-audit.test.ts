import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readToken } from "@authmesh/oath";
import { describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../../test/fixtures/free-port.js";
import { newMachine, TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const env = { AMESH_TPM: undefined, NO_COLOR: "1", AUTH_MESH_PASSPHRASE: "correct horse battery staple 9" };
const rule = { name: "all", caller: "**", subject: "**", audience: "**", action: "**" };

/** A machine with an authority that has been made and never served. */
async function newHost(): Promise<{ readonly host: TestMachine; readonly dir: string }> {
  const host = new TestMachine();
  onTestFinished(() => host.remove());
  const dir = join(host.folder, "authority");
  await host.succeed(["authority", "init", "--dir", dir, "--backend", "encrypted-file"], { env });
  writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: [rule] }));
  return { host, dir };
}

async function serve(host: TestMachine, dir: string, ...more: readonly string[]) {
  const port = String(await freePort());
  const program = host.start(["authority", "serve", "--dir", dir, "--port", port, "--json", ...more], env);
  onTestFinished(() => program.stop());
  await program.event("listening");
  return { program, url: `http://localhost:${port}` };
}

describe("amesh authority serve", () => {
  it("keeps an audit that goes on unbroken after kill -9, that its keys have signed, and in which nothing is missing", async () => {
    const { host, dir } = await newHost();
    const device = await newMachine("worker");
    const key = (await device.open()).publicKey;
    const add = ["add", "--authority", dir, "--name", "worker", "--public-key", "-", "--yes"];
    await host.succeed(add, { input: key.base64, env });
    const mint = async (url: string) => {
      const wish = ["--aud", "api.example.com", "--act", "orders.write"];
      const { stdout } = await device.succeed(["token", "mint", "--authority", url, ...wish]);
      return readToken(stdout.trim()).claims?.jti;
    };

    const first = await serve(host, dir);
    const minted = [await mint(first.url)];
    await first.program.kill();
    const second = await serve(host, dir);
    minted.push(await mint(second.url));
    const keys = join(host.folder, "keys.json");
    writeFileSync(keys, await (await fetch(`${second.url}/.well-known/jwks.json`)).text());
    await second.program.stop();

    const log = join(dir, "audit.jsonl");
    const events = readFileSync(log, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const told = (type: string) => events.filter((event) => event.type === `dev.authmesh.${type}`);
    expect(told("device.added")).toMatchObject([{ subject: key.deviceId, source: first.url }]);
    expect(told("key.rotated")).toHaveLength(1);
    expect(told("token.minted").map(({ data }) => data.token.jti)).toEqual(minted);
    const verify = await host.succeed(["audit", "verify", log, "--key", keys, "--json"]);
    const report = documentOf(verify);
    expect(report).toMatchObject({ sound: true, lines: events.length, signedThrough: events.length - 1 });

    writeFileSync(log, readFileSync(log, "utf8").replace("orders.write", "orders.read"));
    expect((await host.run(["audit", "verify", log, "--key", keys])).status).toBe(1);
  });

  it("says at the start that a file cannot be written, and starts where no audit is wanted", async () => {
    const { host, dir } = await newHost();
    const nowhere = ["authority", "serve", "--dir", dir, "--port", String(await freePort()), "--audit", dir];
    expect(await host.run(nowhere, { env })).toEqual({ status: 1, ...failed("storage_failed", "") });
    await serve(host, dir, "--audit", "none");
    expect(existsSync(join(dir, "audit.jsonl"))).toBe(false);
  });

  it("does not start beside another that writes the same audit", async () => {
    const { host, dir } = await newHost();
    await serve(host, dir);
    const again = ["authority", "serve", "--dir", dir, "--port", String(await freePort())];
    const result = await host.run(again, { env });
    expect(result).toEqual({
      status: 1,
      ...failed("storage_failed", "Give every process a file of its own"),
    });
  });

  it("writes the events to its standard output where that is wanted", async () => {
    const { host, dir } = await newHost();
    const { program, url } = await serve(host, dir, "--audit", "-");
    const event = await program.line((line) =>
      line.includes('"specversion"') ? JSON.parse(line) : undefined,
    );
    expect(event).toMatchObject({ type: "dev.authmesh.key.rotated", source: url, proven: true });
    expect(existsSync(join(dir, "audit.jsonl"))).toBe(false);
  });
});
