import { AmeshError } from "@authmesh/core";
import { identityFolder } from "@authmesh/keystore";
import { type Check, checks, type Examination } from "../doctor/checks.js";
import { type Finding, formatFinding, isHealthy } from "../finding.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { relayOption } from "../pairing-run.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Checks everything that can keep amesh from working on this machine: Node.js, the identity, permissions of its files, whether the key store signs, how fast, and on which hardware, whether a move to another key is under way, the allow list's seal and age, the audience, whether the relay can be reached, and this machine's clock against the relay's. Where there is no identity yet, it says which key store `amesh init` would take, and why no other. Each check says OK, WARN, FAIL or SKIP, and what mends it. Nothing is changed.",
    ],
    options: [relayOption, { flags: "--offline", about: "do not touch the network" }],
    environment: [
      ["AMESH_RELAY_URL", "used where --relay is not given"],
      ["AMESH_AUDIENCE", "the hosts this machine answers to, separated by commas"],
      ...keyStoreEnvironment,
    ],
    examples: [
      ["amesh doctor", "everything"],
      ["sudo -u www-data AUTH_MESH_DIR=/var/lib/api amesh doctor", "as the user that a server runs as"],
      ["amesh doctor --offline --json", "without the network, for monitoring"],
    ],
    exit: [
      ["0", "no check failed"],
      ["1", "a check failed"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const examination: Examination = {
      dir: identityFolder(),
      promptSecret: terminal.questions.secret,
      network: call.flag("offline") ? undefined : true,
      relay: call.text("relay"),
    };
    const findings: (Finding & { readonly check: string })[] = [];
    for (const check of checks) {
      const finding = await terminal.during(`Checking: ${check.name}`, examine(check, examination));
      findings.push({ check: check.name, ...finding });
    }
    const healthy = isHealthy(findings);
    terminal.answer({ healthy, checks: findings }, () =>
      findings.map((finding) => formatFinding(terminal, finding, finding.check.padEnd(13))).join("\n"),
    );
    if (!healthy) terminal.next("mend what failed, then run `amesh doctor` again");
    return healthy ? 0 : 1;
  },
};

const reasonsToSkip = {
  identity: "There is no identity to look at.",
  machine: "The key store has to work first.",
  list: "The allow list has to be readable first.",
  network: "Left out by --offline.",
  health: "There is no relay to compare it with.",
} as const satisfies Record<Check["needs"][number], string>;

async function examine(check: Check, examination: Examination): Promise<Finding> {
  const missing = check.needs.find((need) => examination[need] === undefined);
  if (missing !== undefined) return { verdict: "SKIP", detail: reasonsToSkip[missing] };
  try {
    return await check.run(examination);
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return { verdict: "FAIL", detail: `${error.message} (${error.code})`, fix: error.fix };
  }
}
