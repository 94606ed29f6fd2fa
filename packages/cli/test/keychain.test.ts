import { readdirSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { SecretService } from "../../keystore/test/secret-service.js";
import { TestMachine } from "./fixtures/amesh.js";
import { documentOf } from "./fixtures/documents.js";

it("an identity lives in the keychain: made, examined, locked out", async () => {
  const keyring = await SecretService.start(onTestFinished);
  const machine = new TestMachine();
  onTestFinished(() => machine.remove());
  const { DBUS_SESSION_BUS_ADDRESS } = keyring.env;
  const env = { DBUS_SESSION_BUS_ADDRESS };

  const made = await machine.succeed(["init", "--name", "My Laptop", "--backend", "keychain"], { env });
  expect(made.stdout).toMatch(/Detecting key storage backend:\n {2}Secret Service {4}selected\n/);
  expect(made.stderr).toBe("");
  expect(readdirSync(machine.dir).sort()).toEqual(["allow_list.json", "device.keychain", "identity.json"]);
  const { deviceId } = (await machine.open(env)).identity;
  expect(keyring.accounts().every((account) => account.startsWith(`${deviceId}.`))).toBe(true);

  const healthy = await machine.succeed(["doctor", "--offline"], { env });
  expect(healthy.stdout).toMatch(/OK {4}Key store +Secret Service: [0-9.]+ ms a signature/);
  const { stdout: status } = await machine.succeed(["status"], { env });
  expect(status).toMatch(/Protection {4}: The key is in the keychain of the user/);

  keyring.lock();
  const locked = await machine.run(["doctor", "--offline"], { env });
  expect(locked.status).toBe(1);
  expect(locked.stdout).toMatch(/FAIL {2}Key store .*nobody unlocked it\. \(key_store_locked\)/);
  const away = documentOf(await machine.run(["doctor", "--offline", "--json"]));
  expect(JSON.stringify(away)).toContain("no D-Bus session");
});
