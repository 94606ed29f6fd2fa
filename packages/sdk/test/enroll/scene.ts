import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PrivateKey } from "@authmesh/core";
import { onTestFinished } from "vitest";

/** The cheapest cost that is allowed: tests derive many keys. */
const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };

/** A folder for a machine, and what keeps its key out of whatever this machine has. */
export function newFolder() {
  const parent = mkdtempSync(join(tmpdir(), "amesh-enroll-"));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  return {
    dir: join(parent, "amesh"),
    env: { AUTH_MESH_PASSPHRASE: "correct horse battery", AMESH_TPM: "/nowhere/tpmrm0" },
    backend: "encrypted-file",
    argon2,
  } as const;
}

/** An enrollment as an authority tells it. */
export const toldEnrollment = (more: object = {}) => ({
  id: "en_0123456789abcdef",
  account: "@acme",
  appName: "orders",
  deviceName: "box-1",
  deviceId: someKey.deviceId,
  publicKey: someKey.base64,
  status: "approved",
  scopes: { "*": "rw", __manage: "rw" },
  requested: { scopes: { "*": "rw", __manage: "rw" } },
  requestedAt: 1_800_000_000,
  address: "127.0.0.1",
  attestation: "none",
  ...more,
});

const someKey = PrivateKey.generate().publicKey;
