import { setTimeout as sleep } from "node:timers/promises";
import { AmeshError } from "@authmesh/core";
import {
  type BootstrappedIdentity,
  bootstrapIdentity,
  identityFolder,
  type OpenIdentity,
  openIdentity,
} from "@authmesh/keystore";
import type { Logger } from "../logger.js";
import { machineHosts } from "./machine-hosts.js";
import { persevere } from "./perseverance.js";

const variable = "AMESH_BOOTSTRAP_TOKEN";
/** Short enough for a person who waits, long enough for a relay that counts. In milliseconds. */
const firstPause = 10_000;

/** Uses of the token that are under way or went well, by folder: one a process, however many servers and clients. */
const uses = new Map<string, Promise<unknown>>();
/** Refusals that were logged: folder and code. */
const reported = new Set<string>();

/**
 * Opens this machine's identity, and uses the token in `AMESH_BOOTSTRAP_TOKEN` first if there is one
 * (docs/protocol.md, section 7.5). Never waits for a relay: its controller is told in the background.
 *
 * With an identity that is there, a token that is refused is an error in the log and no more: whoever is trusted
 * stays so.
 *
 * @param folder default: AUTH_MESH_DIR, else ~/.amesh
 * @throws AmeshError what `openIdentity` throws; where there is no identity, what `bootstrapIdentity` throws
 */
export async function openThisMachine(folder: string | undefined, logger: Logger): Promise<OpenIdentity> {
  const where = folder === undefined ? {} : { dir: folder };
  const token = process.env[variable]?.trim();
  const refusal = token ? await useOnce(identityFolder(where), token, logger) : undefined;
  try {
    const identity = await openIdentity(where);
    if (refusal !== undefined) reportOnce(identity.dir, refusal, logger);
    return identity;
  } catch (error) {
    const isMissing = error instanceof AmeshError && error.code === "identity_not_found";
    throw isMissing && refusal !== undefined ? refusal : error;
  }
}

async function useOnce(dir: string, token: string, logger: Logger): Promise<unknown> {
  const use = uses.get(dir) ?? useToken(dir, token, logger);
  uses.set(dir, use);
  try {
    await use;
    return undefined;
  } catch (error) {
    uses.delete(dir); // a wrong clock, or a list that is refused, may be mended by the next time
    return error;
  }
}

async function useToken(dir: string, token: string, logger: Logger): Promise<void> {
  const used = await bootstrapIdentity({ dir, token, hosts: machineHosts() });
  const { outcome, consumed, created, token: said } = used;
  for (const { message } of created?.warnings ?? []) logger.warn(message);
  const controller = `${JSON.stringify(said.controller.friendlyName)} (${said.controller.publicKey.deviceId})`;
  if (outcome === "known") logger.warn(`${variable} is ignored: ${controller} is a controller already.`);
  else logger.warn(`${controller} was added as controller by ${variable}.`);
  if (consumed) void showItself(used, logger);
}

/** A controller that does not wait learns nothing, and may call all the same. The pauses keep no process alive. */
async function showItself({ identity, token }: BootstrappedIdentity, logger: Logger): Promise<void> {
  try {
    const until = token.expiresAt * 1000;
    const pause = (milliseconds: number) => sleep(milliseconds, undefined, { ref: false });
    // Loaded here, for it alone brings in a WebSocket client, which most servers and clients never need.
    const { meetController } = await import("./meet-controller.js");
    await persevere(() => meetController(token, { identity }), { until, firstPause, pause });
    logger.info("the controller has listed this machine as a target.");
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    logger.info(`the controller has not listed this machine as a target: ${detail}`);
  }
}

function reportOnce(dir: string, error: unknown, logger: Logger): void {
  const { code, fix, message } = error as Partial<AmeshError>;
  const key = `${dir} ${code}`;
  if (reported.has(key)) return;
  reported.add(key);
  logger.error(`${variable} was refused: ${message}`, { code, fix });
}
