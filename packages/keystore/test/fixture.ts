import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AmeshError, PrivateKey } from "@authmesh/core";
import { onTestFinished } from "vitest";
import {
  type AllowListDraft,
  addDevice,
  type CreateIdentityOptions,
  createIdentity,
  type NewDevice,
  type OpenIdentity,
  openIdentity,
} from "../src/index.js";

/** The cheapest cost that is allowed: tests derive many keys. */
export const cheap = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };

/** A folder of this test's own, gone when it ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-keystore-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Nothing here uses the TPM of the machine that runs the tests, should there be one. */
export const env = { AUTH_MESH_PASSPHRASE: "correct horse", AMESH_TPM: "/nowhere/tpmrm0" };

/** A new identity in a folder of its own, in the encrypted file unless `options` has an environment, open. */
export async function newIdentity(options: Partial<CreateIdentityOptions> = {}): Promise<OpenIdentity> {
  const dir = options.dir ?? join(temporaryFolder(), "amesh");
  const backend = options.env === undefined && options.keyStore === undefined ? "encrypted-file" : undefined;
  await createIdentity({ friendlyName: "this machine", dir, env, argon2: cheap, backend, ...options });
  return openIdentity({ dir, env });
}

/** The code of the AmeshError that `run` fails with; anything else it throws fails the test. */
export async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    throw error;
  }
  return "no error";
}

/** A device that nobody knows, active and bound, as a handshake adds it. */
export const newDevice = (more: Partial<NewDevice> = {}): NewDevice => ({
  publicKey: PrivateKey.generate().publicKey,
  friendlyName: "a device",
  role: "target",
  status: "active",
  addedBy: "handshake",
  bound: true,
  now: 1_760_000_000,
  ...more,
});

export const add =
  (more: Partial<NewDevice> = {}) =>
  (draft: AllowListDraft) =>
    addDevice(draft, newDevice(more));
