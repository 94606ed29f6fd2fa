import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { PublicKey } from "@authmesh/core";
import { runGateway } from "@authmesh/gateway";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { freePort } from "../../../test/fixtures/free-port.js";
import { manual as ofServe } from "../src/verbs/gateway.js";
import { verb as authz } from "../src/verbs/gateway-authz.js";
import { verb as check } from "../src/verbs/gateway-check.js";
import { TestMachine } from "./fixtures/amesh.js";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const caller = new TestMachine();
const callee = new TestMachine();
let callerId: string;

beforeAll(async () => {
  const identity = await caller.init("Dev Laptop");
  callerId = identity.deviceId;
  await callee.init("gateway");
  await callee.trust("Dev Laptop", {
    publicKey: PublicKey.fromBase64(identity.publicKey),
    scopes: { orders: "r" },
  });
});
afterAll(() => {
  caller.remove();
  callee.remove();
});

/** A Python program that knows nothing of amesh, and where it is. */
async function unawareService(): Promise<string> {
  const service = spawn("/usr/bin/python3", [path("fixtures/unaware-service.py")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void service.kill());
  const [port] = await once(service.stdout.setEncoding("utf8"), "data");
  return `http://127.0.0.1:${String(port).trim()}`;
}

describe.each([[["gateway"]], [["serve", "--gateway"]]])("amesh %j", (command) => {
  it("puts a service that knows nothing behind a gateway", async () => {
    const port = String(await freePort()); // the audience has it in it, so that it is known before
    const flags = ["--audience", `127.0.0.1:${port}`, "--port", port, "--no-admin", "--json"];
    const gateway = callee.start([...command, "--upstream", await unawareService(), ...flags]);
    onTestFinished(() => gateway.stop());
    const { url } = await gateway.event("listening");

    expect((await fetch(url)).status).toBe(400);
    const forged = ["--header", "X-AuthMesh-Subject: admin", "--header", "X-OathMesh-Subject: admin"];
    const { stdout } = await caller.succeed(["request", "GET", `${url}/`, ...forged]);
    expect(stdout).toContain(`X-AuthMesh-Subject: ${callerId}`);
    expect(stdout).toContain("X-AuthMesh-Name: Dev Laptop");
    expect(stdout).toContain("X-AuthMesh-Scope: orders:r");
    expect(stdout).not.toMatch(/admin|authorization/i);

    await gateway.stop();
    expect(await gateway.ended).toBe(0);
    expect(gateway.errors.join("\n")).toContain(`The gateway listens at ${url}`);
  });
});

describe("amesh gateway", () => {
  it("asks serve what to serve", async () => {
    const { status, stderr } = await callee.run(["serve"]);
    expect(status).toBe(2);
    expect(stderr).toContain("`amesh gateway` runs the gateway");
  });

  it("prints the schema that is published", async () => {
    const { stdout } = await callee.succeed(["gateway", "schema"]);
    expect(JSON.parse(stdout)).toEqual(
      JSON.parse(readFileSync(path("../../gateway/schema/gateway-1.json"), "utf8")),
    );
  });

  it.each([
    ["serve", ofServe],
    ["check", check.manual],
    ["authz", authz.manual],
  ] as const)("has the options of its package: %s", async (command, { options = [] }) => {
    let help = "";
    const stdout = { write: (text: string) => (help += text) } as unknown as NodeJS.WriteStream;
    await runGateway([...(command === "serve" ? [] : [command]), "--help"], { stdout });
    const ofPackage = [...help.matchAll(/^ {2}(--[a-z-]+)/gm)].map(([, name]) => name);
    const ofManual = options.map(({ flags }) => flags.split(" ")[0]);
    expect([...ofManual, "--json"].sort()).toEqual(ofPackage.sort());
  });
});

describe("docs/reference/gateway.md", () => {
  it("says what the schema says", () => {
    const script = path("../../../scripts/generate-gateway-reference.js");
    const { status, stderr } = spawnSync(process.execPath, [script, "--check"], { encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});
