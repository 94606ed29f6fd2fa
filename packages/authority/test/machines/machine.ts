import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Scopes } from "@authmesh/core";
import {
  approveEnrollment,
  createPasscode,
  type OnboardOptions,
  onboard,
  type RequestedEnrollment,
  requestEnrollment,
} from "@authmesh/sdk/enroll";
import { onTestFinished } from "vitest";
import type { RunningAuthority } from "../running-authority.js";

/** A machine without an identity: its folder, and what keeps its key out of whatever this machine has. */
export function newMachine() {
  const parent = mkdtempSync(join(tmpdir(), "amesh-machine-"));
  onTestFinished(() => rmSync(parent, { recursive: true, force: true }));
  return {
    dir: join(parent, "amesh"),
    env: { AUTH_MESH_PASSPHRASE: "correct horse battery", AMESH_TPM: "/nowhere/tpmrm0" },
    backend: "encrypted-file",
    // The cheapest cost that is allowed.
    argon2: { memoryKiB: 19 * 1024, passes: 1, lanes: 1 },
  } as const;
}

export type Machine = ReturnType<typeof newMachine>;

export const account = "@acme";

/** An account's secret, and everything else that claims it for a machine. */
export async function claimOf(
  { authority, url }: RunningAuthority,
  machine: Machine,
): Promise<OnboardOptions> {
  const created = await authority.state.enrollments.createAccount(account);
  if (created === undefined) throw new TypeError("There is such an account.");
  return {
    ...machine,
    authority: url,
    account,
    appName: "admin",
    deviceName: "desk",
    secret: created.secret,
  };
}

/** The first machine of the account. */
export async function onboarded(authority: RunningAuthority): Promise<Machine> {
  const machine = newMachine();
  await onboard(await claimOf(authority, machine));
  return machine;
}

export const wishOf = ({ url }: RunningAuthority, machine: Machine, scopes: Scopes = { orders: "rw" }) => ({
  ...machine,
  authority: url,
  account,
  appName: "orders",
  deviceName: "box-1",
  scopes,
});

/** A machine that asked to be enrolled, with a passcode of `by`. */
export async function asking(
  authority: RunningAuthority,
  by: Machine,
  scopes?: Scopes,
): Promise<Machine & { readonly requested: RequestedEnrollment }> {
  const machine = newMachine();
  const { passcode } = await createPasscode(by);
  const requested = await requestEnrollment({ ...wishOf(authority, machine, scopes), passcode });
  return { ...machine, requested };
}

/** One that was let in. */
export async function enrolled(
  authority: RunningAuthority,
  by: Machine,
  scopes?: Scopes,
): Promise<Machine & { readonly id: string }> {
  const { requested, ...machine } = await asking(authority, by, scopes);
  await approveEnrollment({ ...by, id: requested.id });
  return { ...machine, id: requested.id };
}

/** A network that loses the answers to what is asked at a path, until it is mended. */
export function losing(path: string) {
  const lossy = {
    isBroken: true,
    fetch: async (...asked: Parameters<typeof fetch>): Promise<Response> => {
      const response = await fetch(...asked);
      if (!lossy.isBroken || new URL(response.url).pathname !== path) return response;
      await response.arrayBuffer();
      throw new TypeError("fetch failed", {
        cause: Object.assign(new Error("reset"), { code: "ECONNRESET" }),
      });
    },
  };
  return lossy;
}
