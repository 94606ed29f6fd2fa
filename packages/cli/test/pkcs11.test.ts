import { existsSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { PublicKey } from "@authmesh/core";
import { type Logger, verify } from "@authmesh/sdk";
import { afterAll, describe, expect, it, onTestFinished } from "vitest";
import { SoftHsm, type SoftToken, softHsmModule } from "../../keystore/test/softhsm.js";
import { newMachine, TestMachine } from "./fixtures/amesh.js";
import { documentOf, failed } from "./fixtures/documents.js";

const softHsm = SoftHsm.start(afterAll);
const token = softHsm.token();
const env = { ...softHsm.env, ...token.env };

const initArgs = ({ label }: SoftToken) => [
  ...["init", "--name", "My Laptop", "--backend", "pkcs11"],
  ...["--module", softHsmModule, "--token", label],
];

function freshMachine(): TestMachine {
  const machine = new TestMachine();
  onTestFinished(() => machine.remove());
  return machine;
}

async function machineWithToken(): Promise<TestMachine> {
  const machine = freshMachine();
  await machine.succeed(initArgs(token), { env });
  return machine;
}

describe("a key in a PKCS#11 token", () => {
  it("is made by amesh init, which asks for nothing when the PIN is there", async () => {
    const machine = freshMachine();
    const { stdout, stderr } = await machine.succeed(initArgs(token), { env });
    expect(stdout).toContain("Detecting key storage backend:\n  PKCS#11 token    selected\n");
    expect(stdout).toContain("  Backend       : PKCS#11 token\n");
    expect(stderr).toBe("");
    const { stdout: status } = await machine.succeed(["status"], { env });
    expect(status).toMatch(/\n {2}Protection {4}: The key was made in the token and never leaves it/);
  });

  it("is shown by amesh doctor with its hardware and how fast it signs", async () => {
    const machine = await machineWithToken();
    const { stdout } = await machine.succeed(["doctor", "--offline"], { env });
    expect(stdout).toMatch(
      /OK +Key store +PKCS#11 token, SoftHSM project SoftHSM v2, firmware \d+\.\d+: [\d.]+ ms a signature/,
    );
  });

  it("signs the requests of amesh request", async () => {
    const machine = await machineWithToken();
    const { identity } = await machine.open(env);
    const callee = await newMachine("api");
    const publicKey = PublicKey.fromBase64(identity.publicKey);
    await callee.trust("My Laptop", { publicKey });
    const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
    const guard = verify({ allowList: await callee.openList(), logger });
    const server = createServer((request, response) => guard(request, response, () => response.end("hello")));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    expect((await machine.succeed(["request", "GET", url], { env })).stdout).toContain("hello");
  });

  it("is out of reach while the token is away, and nothing is lost", async () => {
    const own = softHsm.token();
    const machine = freshMachine();
    await machine.succeed(initArgs(own), { env });
    const putBack = softHsm.takeAway(own);
    const { status, stdout } = await machine.run(["doctor", "--offline"], { env });
    expect(status).toBe(1);
    expect(stdout).toMatch(/FAIL +Key store +The token .* is not in its slot\. \(key_store_unavailable\)/);
    putBack();
    await machine.succeed(["doctor", "--offline"], { env });
  });
});

describe("the PIN", () => {
  it("is asked for on a terminal, which does not show it", async () => {
    const machine = freshMachine();
    const typed = [[`PIN of the token "${token.label}": `, `${token.pin}\r`]] as const;
    const made = await machine.runInTerminal(initArgs(token), typed, softHsm.env);
    expect(made.screen).toContain("Identity created.");
    expect(made.screen).not.toContain(token.pin);
    expect((await machine.runInTerminal(["list"], typed, softHsm.env)).screen).toContain(
      "No trusted devices",
    );
  });

  it("that is wrong makes nothing, and is not shown either", async () => {
    const machine = freshMachine();
    const result = await machine.run(initArgs(softHsm.token()), {
      env: { ...softHsm.env, AMESH_PIN: "wrong-one" },
    });
    expect(result).toEqual({ status: 1, ...failed("pin_wrong", "AMESH_PIN") });
    expect(result.stderr).not.toContain("wrong-one");
    expect(existsSync(`${machine.dir}/identity.json`)).toBe(false);
  });

  it("is missing where nobody can be asked", async () => {
    const machine = freshMachine();
    const missing = { status: 4, ...failed("pin_missing", "AMESH_PIN_FILE") };
    expect(await machine.run(initArgs(token), { env: softHsm.env })).toEqual(missing);
    const { screen } = await machine.runInTerminal([...initArgs(token), "--no-input"], [], softHsm.env);
    expect(screen).toContain("(pin_missing)");
  });

  it("cannot be given on the command line", async () => {
    const result = await freshMachine().run([...initArgs(token), "--pin", token.pin], { env: softHsm.env });
    expect(result).toEqual({ status: 2, ...failed("invalid_option", /.*/) });
  });
});

describe("amesh init refuses", () => {
  it.each([
    ["a module for another key store", ["--module", softHsmModule]],
    ["a module for a key store that was named", ["--backend", "encrypted-file", "--module", softHsmModule]],
    ["a token without a module", ["--backend", "pkcs11", "--token", "amesh"]],
    ["the key store pkcs11 without a module", ["--backend", "pkcs11"]],
    ["a module by a relative path", ["--backend", "pkcs11", "--module", "libsofthsm2.so"]],
    ["a token that is not there", ["--backend", "pkcs11", "--module", softHsmModule, "--token", "none"]],
  ])("%s, and makes nothing", async (_, args) => {
    const machine = freshMachine();
    const result = await machine.run(["init", ...args, "--json"], { env });
    expect(result.status).toBe(2);
    expect(documentOf(result).error.code).toBe("invalid_option");
    expect(existsSync(machine.dir)).toBe(false);
  });
});
