import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Role } from "@authmesh/core";
import {
  type CreateIdentityOptions,
  createIdentity,
  type DeviceEntry,
  type OpenIdentity,
  openIdentity,
} from "@authmesh/keystore";
import { onTestFinished } from "vitest";

export const env = { AUTH_MESH_PASSPHRASE: "correct horse" };

/** A folder that is not there yet, and is gone when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-pairing-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "amesh");
}

/** A machine with an identity of its own, gone when the test ends. */
export async function newMachine(
  friendlyName: string,
  options: Partial<CreateIdentityOptions> = {},
): Promise<OpenIdentity> {
  const dir = temporaryFolder();
  const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
  await createIdentity({ friendlyName, dir, env, argon2, ...options });
  return openIdentity({ dir, env });
}

/** The two machines of most tests. */
export async function newCouple(): Promise<{ target: OpenIdentity; controller: OpenIdentity }> {
  const [target, controller] = await Promise.all([newMachine("prod-api"), newMachine("Dev Laptop")]);
  return { target, controller };
}

/** What the allow list on the disk says. */
export async function entriesOf(machine: OpenIdentity): Promise<readonly DeviceEntry[]> {
  return (await machine.openAllowList()).state.devices;
}

/** "name role status" of each entry. */
export async function summaryOf(machine: OpenIdentity): Promise<readonly string[]> {
  return (await entriesOf(machine)).map(
    ({ friendlyName, role, status }) => `${friendlyName} ${role} ${status}`,
  );
}

/** Whether `machine` lets `other` in as a verifier would ask it. */
export async function trusts(machine: OpenIdentity, other: OpenIdentity, role: Role): Promise<boolean> {
  return (await machine.openAllowList()).find(other.publicKey.base64, role) !== undefined;
}
