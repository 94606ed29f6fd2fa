import { AmeshError } from "@authmesh/core";
import { identityFolder, openIdentity } from "@authmesh/keystore";
import type { Call } from "../call.js";
import { type Check, checks, type Examination } from "../doctor/checks.js";
import { examineService } from "../doctor/service/examine-service.js";
import { type Finding, formatFinding, isHealthy, type NamedFinding } from "../finding.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { relayOption } from "../pairing-run.js";
import { readUrl } from "../request/read-request.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Checks everything that can keep amesh from working on this machine: Node.js, the identity, permissions of its files, whether the key store signs, how fast, and on which hardware, whether a move to another key is under way, the allow list's seal and age, the audience, whether the relay can be reached, and this machine's clock against the relay's. Where there is no identity yet, it says which key store `amesh init` would take, and why no other. Each check says OK, WARN, FAIL or SKIP, and what mends it. Nothing is changed.",
      "With a URL it looks at the way to a service in place of this machine: which part of a request a proxy in front of the service changes. It sends signed requests and learns from which of them are refused, so this machine must be trusted there. Sent are GET and HEAD to the URL and to names under it that mean nothing, and --method with a body to the URL.",
    ],
    arguments: [{ name: "URL", about: "of something that amesh verifies", optional: true }],
    options: [
      relayOption,
      { flags: "--offline", about: "do not touch the network" },
      {
        flags: "--upstream URL",
        about:
          "with URL: the service's address as the proxy has it, such as http://127.0.0.1:3000; doctor then signs for that host too",
        repeatable: true,
      },
      {
        flags: "--method METHOD",
        about: "with URL: of requests with a body (default REPORT, which changes nothing by its definition)",
      },
    ],
    environment: [
      ["AMESH_RELAY_URL", "used where --relay is not given"],
      ["AMESH_AUDIENCE", "the hosts this machine answers to, separated by commas"],
      ...keyStoreEnvironment,
    ],
    examples: [
      ["amesh doctor", "everything"],
      ["sudo -u www-data AUTH_MESH_DIR=/var/lib/api amesh doctor", "as the user that a server runs as"],
      ["amesh doctor --offline --json", "without the network, for monitoring"],
      ["amesh doctor https://api.example.com/api/orders", "what a proxy does to requests"],
      ["amesh doctor https://api.example.com/api --upstream http://app:3000", "behind a proxy that renames"],
    ],
    exit: [
      ["0", "no check failed"],
      ["1", "a check failed"],
      ["2", "the command line cannot be read"],
      ["4", "there is no identity to sign with"],
      ["5", "the service cannot be reached"],
    ],
  },

  async run(call) {
    const [address] = call.args;
    refuseOptionsOf(call, address === undefined ? ["upstream", "method"] : ["relay", "offline"]);
    return address === undefined ? examineMachine(call) : examineWay(call, address);
  },
};

function refuseOptionsOf(call: Call, options: readonly string[]): void {
  const option = options.find((name) => call.has(name));
  if (option === undefined) return;
  const which = call.args.length === 0 ? "only with a URL" : "not with a URL";
  throw new AmeshError("invalid_option", `--${option} makes sense ${which}.`);
}

/** @returns the exit status */
async function examineMachine(call: Call): Promise<number> {
  const { terminal } = call;
  const examination: Examination = {
    dir: identityFolder(),
    promptSecret: terminal.questions.secret,
    network: call.flag("offline") ? undefined : true,
    relay: call.text("relay"),
  };
  const findings: NamedFinding[] = [];
  for (const check of checks) {
    const finding = await terminal.during(`Checking: ${check.name}`, examine(check, examination));
    findings.push({ check: check.name, ...finding });
  }
  return report(findings, call);
}

/** @returns the exit status */
async function examineWay(call: Call, address: string): Promise<number> {
  const { terminal } = call;
  const method = (call.text("method") ?? "REPORT").toUpperCase();
  if (["GET", "HEAD"].includes(method))
    throw new AmeshError("invalid_option", `A ${method} request has no body.`);
  const url = readUrl(address, method);
  const upstreams = call.list("upstream").map((upstream) => readUrl(upstream, method));
  const identity = await openIdentity({ promptSecret: terminal.questions.secret });
  const findings: NamedFinding[] = [];
  const examine = async () => {
    for await (const finding of examineService({ url, upstreams, method, identity })) findings.push(finding);
  };
  await terminal.during(`Asking ${url.host}`, examine());
  return report(findings, call);
}

/** @returns the exit status */
function report(findings: readonly NamedFinding[], { terminal, args }: Call): number {
  const healthy = isHealthy(findings);
  const width = Math.max(...findings.map(({ check }) => check.length)) + 2;
  terminal.answer({ healthy, checks: findings }, () =>
    findings.map((finding) => formatFinding(terminal, finding, finding.check.padEnd(width))).join("\n"),
  );
  if (!healthy)
    terminal.next(`mend what failed, then run \`amesh doctor${args.length > 0 ? " URL" : ""}\` again`);
  return healthy ? 0 : 1;
}

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
