import { createRequire } from "node:module";
import { AmeshError } from "@authmesh/core";
import {
  type AllowList,
  detectKeyStore,
  type Identity,
  inspectSecretFiles,
  inspectStorage,
  type OpenIdentity,
  openIdentity,
  type PromptSecret,
  proveKey,
  readIdentity,
} from "@authmesh/keystore";
import { relayUrl } from "@authmesh/sdk/pairing";
import { audienceWarning, effectiveAudience } from "../audience-warning.js";
import type { Finding } from "../finding.js";
import { detectionRows } from "../init/detection.js";
import { formatDevice } from "../layout.js";
import { migrationWarning } from "../migration-warning.js";
import { passphraseFinding } from "../passphrase-finding.js";
import { askRelay, type RelayHealth } from "./relay-health.js";

/** What is examined, and what earlier checks brought to light for later ones. */
export interface Examination {
  readonly dir: string;
  readonly promptSecret: PromptSecret | undefined;
  /** Undefined: the network is not to be touched. */
  readonly network: true | undefined;
  /** The value of --relay. */
  readonly relay: string | undefined;
  identity?: Identity;
  /** Its key signs. */
  machine?: OpenIdentity;
  list?: AllowList;
  health?: RelayHealth;
}

export interface Check {
  readonly name: string;
  /** Without these it is skipped. */
  readonly needs: readonly ("identity" | "machine" | "list" | "network" | "health")[];
  /** What it throws is a FAIL. */
  run(examination: Examination): Finding | Promise<Finding>;
}

/** In this order: what stands on nothing first. */
export const checks: readonly Check[] = [
  { name: "Node.js", needs: [], run: checkNode },
  { name: "Identity", needs: [], run: checkIdentity },
  { name: "Permissions", needs: ["identity"], run: checkPermissions },
  { name: "Key store", needs: [], run: checkKeyStore },
  { name: "Migration", needs: ["identity"], run: checkMigration },
  { name: "Allow list", needs: ["machine"], run: checkAllowList },
  { name: "Audience", needs: ["list"], run: checkAudience },
  { name: "Relay", needs: ["network"], run: checkRelay },
  { name: "Clock", needs: ["health"], run: checkClock },
];

/** How far clocks may differ before requests are refused, in seconds, and when to begin to care. */
const clock = { refused: 30, noticed: 5 } as const;

const ok = (detail: string): Finding => ({ verdict: "OK", detail });

function checkNode(): Finding {
  const { engines } = createRequire(import.meta.url)("../../package.json") as { engines: { node: string } };
  const oldest = engines.node.replace(">=", "");
  const { node } = process.versions;
  const isOld = node.localeCompare(oldest, "en", { numeric: true }) < 0;
  const detail = `${node}; ${oldest} or later is needed.`;
  return isOld ? { verdict: "FAIL", detail, fix: `Install Node.js ${oldest} or later.` } : ok(detail);
}

function checkIdentity(examination: Examination): Finding {
  const { dir } = examination;
  examination.identity = readIdentity(dir).identity;
  return ok(`${formatDevice(examination.identity)} in ${dir}.`);
}

/**
 * A folder that others can look into is worth a warning, and so is a secret elsewhere that they can read; a file of the
 * folder that they can reach is a failure.
 */
function checkPermissions({ dir }: Examination): Finding {
  const inFolder = inspectStorage(dir);
  const findings = [...inFolder, ...inspectSecretFiles()];
  const broken = inFolder.find(({ path }) => path !== dir);
  const worst = broken ?? findings[0];
  if (worst === undefined) return ok("Nobody else can reach the folder or its files.");
  const more = findings.length > 1 ? ` (and ${findings.length - 1} more)` : "";
  const detail = `${worst.path}: ${worst.problem}${more}.`;
  return { verdict: broken === undefined ? "WARN" : "FAIL", detail, fix: worst.fix };
}

async function checkKeyStore(examination: Examination): Promise<Finding> {
  const { dir, promptSecret } = examination;
  if (examination.identity === undefined) return findKeyStore(dir);
  const machine = await openIdentity({ dir, promptSecret });
  const [, openMillis] = await timed(() => proveKey(machine));
  const [, signMillis] = await timed(() => proveKey(machine));
  examination.machine = machine;
  const { keyStore, identity } = machine;
  const hardware = await keyStore.describe?.(identity.keyAlias);
  const label = `${keyStore.info.label}${hardware === undefined ? "" : `, ${hardware}`}`;
  const time = `${signMillis.toFixed(1)} ms a signature, ${openMillis.toFixed(0)} ms to open the key`;
  const warning = passphraseFinding(identity.backend);
  const detail = `${label}: ${time}.`;
  return warning === undefined ? ok(detail) : { ...warning, detail, rows: [warning.detail] };
}

/** What `amesh init` would find. */
async function findKeyStore(dir: string): Promise<Finding> {
  const passphrase = async () => ""; // no detection needs one
  const [{ info }, findings] = await detectKeyStore({ dir, env: process.env, passphrase });
  const mends = findings.flatMap(({ label, fix }) => (fix === undefined ? [] : [`${label}: ${fix}`]));
  const rows = [...detectionRows(findings), ...mends];
  return { verdict: "OK", detail: `A new key would be in: ${info.label}.`, rows };
}

async function timed<T>(work: () => Promise<T>): Promise<[result: T, millis: number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}

function checkMigration({ dir }: Examination): Finding {
  return migrationWarning(dir) ?? ok("None is under way.");
}

async function checkAllowList(examination: Examination): Promise<Finding> {
  const list = await (examination.machine as OpenIdentity).openAllowList();
  const { devices, generation } = list.state;
  examination.list = list;
  return ok(
    `The seal fits; ${devices.length} ${devices.length === 1 ? "device" : "devices"}, change number ${generation}.`,
  );
}

function checkAudience({ list }: Examination): Finding {
  const { audience, state } = list as AllowList;
  const isCalled = state.devices.some(({ role }) => role === "controller");
  const problem = audienceWarning(audience);
  if (problem === undefined) return ok(effectiveAudience(audience).join(", "));
  if (!isCalled && state.devices.length > 0) return ok("None is set, and nobody may call this machine.");
  return { verdict: "WARN", ...problem };
}

/** A relay is needed only while machines pair, so one that nobody named may be out of reach. */
async function checkRelay(examination: Examination): Promise<Finding> {
  const url = relayUrl(examination.relay);
  const isNamed = Boolean(examination.relay || process.env["AMESH_RELAY_URL"]);
  try {
    examination.health = await askRelay(url);
    return ok(`${url} answered in ${examination.health.roundTripMillis} ms.`);
  } catch (error) {
    if (!(error instanceof AmeshError) || isNamed) throw error;
    return {
      verdict: "WARN",
      detail: `${error.message} It is needed only while machines pair.`,
      fix: error.fix,
    };
  }
}

function checkClock({ health }: Examination): Finding {
  const { aheadSeconds } = health as RelayHealth;
  const off = Math.abs(aheadSeconds);
  const detail = `${off.toFixed(1)} s ${aheadSeconds < 0 ? "behind" : "ahead of"} the relay's.`;
  if (off <= clock.noticed) return ok(detail);
  const fix = "Set the clock by NTP: timedatectl set-ntp true";
  if (off <= clock.refused) return { verdict: "WARN", detail, fix };
  return { verdict: "FAIL", detail: `${detail} Requests are refused beyond ${clock.refused} s.`, fix };
}
