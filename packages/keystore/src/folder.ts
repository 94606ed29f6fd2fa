import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import type { Environment } from "@authmesh/core/server-program";

export type { Environment };

export interface FolderOptions {
  /** The folder of the identity. Default `AUTH_MESH_DIR`, else `~/.amesh`. */
  readonly dir?: string | undefined;
  /** Default `process.env`. */
  readonly env?: Environment | undefined;
}

/** The one place that says where an identity lives (docs/protocol.md, section 11). An empty variable is none. */
export function identityFolder({ dir, env = process.env }: FolderOptions = {}): string {
  return resolve(dir || env["AUTH_MESH_DIR"] || join(homedir() || userInfo().homedir, ".amesh"));
}

/** Who the folder belongs to: now, once it has moved to another key store, before it did. */
export type IdentityFile = "identity.json" | "identity.next.json" | "identity.previous.json";

export const identityPath = (dir: string, file: IdentityFile = "identity.json") => join(dir, file);
/** By which keys of this folder named the keys that took their places. */
export const successionPath = (dir: string) => join(dir, "succession.jws");
/** What peers must do after `amesh init --replace-lost`. */
export const replaceLostPath = (dir: string) => join(dir, "replace-lost.txt");
/** What the fleet revoked, as this machine believed it. */
export const fleetPath = (dir: string) => join(dir, "fleet.jws");
export const allowListPath = (dir: string) => join(dir, "allow_list.json");
/** Whoever writes anything in the folder holds this lock. */
export const lockPath = (dir: string) => join(dir, "allow_list.json.lock");
export const passphrasePath = (dir: string) => join(dir, "passphrase");
