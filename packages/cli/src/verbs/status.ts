import { AmeshError, type ErrorCode } from "@authmesh/core";
import {
  type AllowListState,
  type DeviceEntry,
  identityFolder,
  inspectSecretFiles,
  inspectStorage,
  type KeyStoreInfo,
  keyStoreDrivers,
  openIdentity,
  readIdentity,
} from "@authmesh/keystore";
import { relayUrl } from "@authmesh/sdk/pairing";
import { audienceWarning, effectiveAudience } from "../audience-warning.js";
import { enrollmentStanding } from "../enroll/standing.js";
import { type FeedStanding, feedStanding } from "../feed/feed-standing.js";
import { fleetStanding } from "../feed/fleet-standing.js";
import { type Finding, formatFinding, isHealthy } from "../finding.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { fields, formatDevice, identityDocument } from "../layout.js";
import { migrationWarning } from "../migration-warning.js";
import { passphraseFinding } from "../passphrase-finding.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Says how this machine stands: first what is wrong or needs attention, each with what mends it, then identity, key store and what it protects against, the hosts this machine answers to, the devices it trusts, its enrollment as it was when the authority was last asked, the trust feeds and revocations that its services keep, the relay, and when the allow list last changed. Asks for nothing. Where the key store does not open, or wants a secret that only a person knows, it says so, and the allow list is not checked; `amesh doctor` tries more things out.",
    ],
    environment: [
      ["AMESH_AUDIENCE", "the hosts this machine answers to, separated by commas"],
      ["AMESH_RELAY_URL", "the relay to pair at"],
      ...keyStoreEnvironment,
    ],
    examples: [
      ["amesh status", "for people"],
      ["amesh status --json | jq '.warnings'", "what needs attention, for scripts"],
    ],
    exit: [
      ["0", "nothing is broken; there may be warnings"],
      ["1", "the key store does not open, or the allow list cannot be trusted, so nobody is let in"],
      [
        "4",
        "there is no identity yet; or its allow list is not checked, since a PIN or passphrase is missing or another program has the key store",
      ],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const dir = identityFolder();
    const { identity } = readIdentity(dir);
    const { state, feeds, findings } = await terminal.during("Opening the key store", lookInside(dir));
    const relay = findRelay();
    const migration = migrationWarning(dir);
    const { enrollment, ...standing } = enrollmentStanding(dir);
    const fleet = fleetStanding(dir);
    const exposed = [...inspectStorage(dir), ...inspectSecretFiles()];
    const warnings: readonly Finding[] = [
      ...findings,
      ...(migration === undefined ? [] : [migration]),
      ...(state === undefined ? [] : warningsOf(state)),
      ...standing.findings,
      ...(feeds?.findings ?? []),
      ...fleet.findings,
      ...(relay.problem === undefined ? [] : [relay.problem]),
      ...exposed.map(({ path, problem, fix }) => warning(`${path}: ${problem}.`, fix)),
    ];
    const keyStore = describeKeyStore(identity.backend);
    const { label, protection } = keyStore;
    terminal.answer(
      {
        warnings,
        device: identityDocument(identity),
        dir,
        keyStore,
        relay: relay.url ?? null,
        enrollment: enrollment ?? null,
        ...feeds?.document,
        ...fleet.document,
        ...(state === undefined ? {} : documentOf(state)),
      },
      () =>
        [
          ...(warnings.length === 0
            ? []
            : [warnings.map((finding) => formatFinding(terminal, finding)).join("\n")]),
          fields([
            ["Device ID", identity.deviceId],
            ["Friendly Name", identity.friendlyName],
            ["Folder", dir],
            ["Backend", label],
            ["Protection", protection],
            ...(state === undefined ? [] : rowsOf(state)),
            ...standing.rows,
            ...(feeds?.rows ?? []),
            ...fleet.rows,
            ["Relay", relay.text],
          ]),
        ].join("\n\n"),
    );
    if (warnings.length > 0) terminal.next("amesh doctor");
    if (!isHealthy(warnings)) return 1;
    return state === undefined ? 4 : 0;
  },
};

/** Only a person could tell them now, or only a program has the key store: nothing shows that anything is broken. */
const unchecked: ReadonlySet<ErrorCode> = new Set(["pin_missing", "passphrase_missing", "key_store_unknown"]);

/** What only this machine's key opens. */
interface Inside {
  /** Undefined where it cannot be trusted. */
  readonly state?: AllowListState;
  readonly feeds?: FeedStanding;
  readonly findings: readonly Finding[];
}

/** As far as nobody is asked; and what there is to say of list and key. */
async function lookInside(dir: string): Promise<Inside> {
  try {
    const open = await openIdentity({ dir });
    const list = await open.openAllowList();
    const feeds = await feedStanding(open);
    const problem = list.check();
    if (problem !== undefined)
      return { feeds, findings: [{ verdict: "FAIL", detail: problem.detail, fix: problem.fix }] };
    const passphrase = passphraseFinding(open.identity.backend);
    return { state: list.state, feeds, findings: passphrase === undefined ? [] : [passphrase] };
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    const { message, code, fix } = error;
    const verdict = unchecked.has(code) ? "SKIP" : "FAIL";
    const list = "The allow list is not checked: the key store has to open first.";
    return {
      findings: [
        { verdict, detail: `Key store: ${message} (${code})`, fix },
        { verdict: "SKIP", detail: list },
      ],
    };
  }
}

/** What is known of it without opening it. */
function describeKeyStore(backend: string): KeyStoreInfo {
  const protection = "Not known: a program brings this key store along.";
  const known = keyStoreDrivers.find(({ info }) => info.name === backend)?.info;
  return known ?? { name: backend, label: backend, protection };
}

const warning = (detail: string, fix: string): Finding => ({ verdict: "WARN", detail, fix });

function findRelay(): { readonly text: string; readonly url?: string; readonly problem?: Finding } {
  try {
    const url = relayUrl();
    return { url, text: `${url} (${process.env["AMESH_RELAY_URL"] ? "AMESH_RELAY_URL" : "default"})` };
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return { text: "none", problem: warning(`AMESH_RELAY_URL: ${error.message}`, error.fix) };
  }
}

/** Who is in the list, by what the entry is worth. */
function devicesOf({ devices }: AllowListState) {
  const active = devices.filter(({ status }) => status === "active");
  return {
    controllers: active.filter(({ role }) => role === "controller"),
    targets: active.filter(({ role }) => role === "target"),
    pending: devices.filter(({ status }) => status === "pending"),
  };
}

function warningsOf(state: AllowListState): readonly Finding[] {
  const { controllers, targets, pending } = devicesOf(state);
  const onlyCalls = targets.length > 0 && controllers.length === 0;
  const audience = onlyCalls ? undefined : audienceWarning(state.audience ?? []);
  return [
    ...(audience === undefined ? [] : [warning(audience.detail, audience.fix)]),
    ...pending.map((device) =>
      warning(
        `The pairing with ${formatDevice(device)} is not complete; it counts as unknown.`,
        `Pair again, or: amesh revoke ${device.deviceId}`,
      ),
    ),
  ];
}

function documentOf(state: AllowListState) {
  const { generation, updatedAt, maxControllers } = state;
  return {
    audience: effectiveAudience(state.audience ?? []),
    maxControllers,
    ...devicesOf(state),
    generation,
    updatedAt,
  };
}

function rowsOf(state: AllowListState): readonly (readonly [string, string])[] {
  const { controllers, targets, pending } = devicesOf(state);
  const audience = effectiveAudience(state.audience ?? []);
  const names = (devices: readonly DeviceEntry[]) =>
    devices.length === 0 ? "none" : devices.map(formatDevice).join(", ");
  return [
    ["Audience", audience.length === 0 ? "none" : audience.join(", ")],
    ["Controllers", `${names(controllers)} (at most ${state.maxControllers})`],
    ["Targets", names(targets)],
    ...(pending.length === 0 ? [] : [["Pending", names(pending)] as const]),
    ["Last change", `${new Date(state.updatedAt * 1000).toISOString()}, number ${state.generation}`],
  ];
}
