import { AmeshError } from "@authmesh/core";
import { type AllowListState, type DeviceEntry, inspectStorage } from "@authmesh/keystore";
import { relayUrl } from "@authmesh/sdk/pairing";
import { audienceWarning, effectiveAudience } from "../audience-warning.js";
import { type Finding, formatFinding, isHealthy } from "../finding.js";
import { fields, formatDevice, identityDocument } from "../layout.js";
import { migrationWarning } from "../migration-warning.js";
import { openMachine } from "../open-machine.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Says how this machine stands: first what is wrong or needs attention, each with what mends it, then identity, key store and what it protects against, the hosts this machine answers to, the devices it trusts, the relay, and when the allow list last changed. Reads files only; `amesh doctor` also tries things out.",
    ],
    environment: [
      ["AMESH_AUDIENCE", "the hosts this machine answers to, separated by commas"],
      ["AMESH_RELAY_URL", "the relay to pair at"],
    ],
    examples: [
      ["amesh status", "for people"],
      ["amesh status --json | jq '.warnings'", "what needs attention, for scripts"],
    ],
    exit: [
      ["0", "nothing is broken; there may be warnings"],
      ["1", "the allow list cannot be trusted, so nobody is let in"],
      ["4", "there is no identity yet"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const machine = await openMachine(call);
    const { dir, identity, keyStore } = machine.identity;
    const problem = machine.list.check();
    const state = problem === undefined ? machine.list.state : undefined;
    const relay = findRelay();
    const migration = migrationWarning(dir);
    const warnings: readonly Finding[] = [
      ...(problem === undefined
        ? []
        : [{ verdict: "FAIL", detail: problem.detail, fix: problem.fix } as const]),
      ...(migration === undefined ? [] : [migration]),
      ...(state === undefined ? [] : warningsOf(state)),
      ...(relay.problem === undefined ? [] : [relay.problem]),
      ...inspectStorage(dir).map(({ path, problem, fix }) => warning(`${path}: ${problem}.`, fix)),
    ];
    const { name, label, protection } = keyStore.info;
    terminal.answer(
      {
        warnings,
        device: identityDocument(identity),
        dir,
        keyStore: { name, label, protection },
        relay: relay.url ?? null,
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
            ["Relay", relay.text],
          ]),
        ].join("\n\n"),
    );
    if (warnings.length > 0) terminal.next("amesh doctor");
    return isHealthy(warnings) ? 0 : 1;
  },
};

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
