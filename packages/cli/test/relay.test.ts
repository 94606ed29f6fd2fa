import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { TestMachine } from "./fixtures/amesh.js";
import { failed } from "./fixtures/documents.js";

const machine = new TestMachine();
afterAll(() => machine.remove());

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

describe("amesh relay", () => {
  it("runs a relay until a signal stops it", async () => {
    const relay = machine.start(["relay", "--host", "127.0.0.1", "--port", "0", "--json"]);
    onTestFinished(() => relay.stop());
    const { url, port } = await relay.event("listening");
    expect(url).toBe(`ws://127.0.0.1:${port}/ws`);
    const health = await (await fetch(`http://127.0.0.1:${port}/health`)).json();
    expect(health).toMatchObject({ status: "ok" });
    await relay.stop();
    expect(await relay.ended).toBe(0);
    expect(relay.errors.join("\n")).toContain(`amesh listen --relay ${url}`);
  });

  it("takes the same environment as the relay's own command", async () => {
    const relay = machine.start(["relay", "--json"], { HOST: "127.0.0.1", PORT: "0" });
    onTestFinished(() => relay.stop());
    expect(await relay.event("listening")).toMatchObject({ url: expect.stringContaining("ws://127.0.0.1:") });
  });

  it("refuses what it cannot listen on", async () => {
    const result = await machine.run(["relay", "--port", "65536"]);
    expect(result.status).toBe(2);
    expect(result.stderr).toMatch(/^amesh: error: .*\namesh: hint: /);
  });

  it("says how to install a relay that is not there", () => {
    const alone = join(machine.folder, "alone");
    for (const part of ["bin", "dist", "package.json"])
      cpSync(path(`../${part}`), join(alone, part), { recursive: true });
    mkdirSync(join(alone, "node_modules/@authmesh"), { recursive: true });
    for (const name of ["core", "keystore", "sdk"])
      symlinkSync(path(`../../${name}`), join(alone, "node_modules/@authmesh", name));
    symlinkSync(path("../../../node_modules/commander"), join(alone, "node_modules/commander"));
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(alone, "bin/amesh.js"), "relay"], {
      encoding: "utf8",
    });
    expect({ status, stdout, stderr }).toEqual({
      status: 4,
      ...failed("package_missing", "npm install --global @authmesh/relay"),
    });
  });
});
