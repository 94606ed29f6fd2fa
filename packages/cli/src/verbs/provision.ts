import { AmeshError, type BootstrapToken } from "@authmesh/core";
import { awaitTarget, provision } from "@authmesh/sdk/bootstrap";
import { readToken } from "../bootstrap-input.js";
import type { Call } from "../call.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatDevice, formatName } from "../layout.js";
import { openMachine } from "../open-machine.js";
import { interruption, relayOption } from "../pairing-run.js";
import { parseDuration } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Makes a bootstrap token for a machine at which nobody can type: a container, a machine of a cloud. Started with it as AMESH_BOOTSTRAP_TOKEN, the new machine lets this one in as its controller, without a pairing and while no relay is there. The token alone goes to standard output, everything else to standard error.",
      "Its security is that of the channel that sets the variable: whoever can put another token in its place gets the new machine. Whoever reads it gains no access.",
      "With --wait this command stays at the relay until the new machine has shown itself there, and lists it as a target. Compare the id it prints with what `amesh list` says there. To wait later, or again, give the token with --token.",
      "With --json every event is one line: token, paired.",
    ],
    options: [
      { flags: "--name NAME", about: "what the new machine is to be called" },
      { flags: "--ttl TIME", about: "how long the token is good: 45s, 30m, 24h at most (default 1h)" },
      { flags: "--host HOST", about: "the only machine that may use it, by its host name" },
      { flags: "--wait", about: "wait until the machine has used it, and list it as a target" },
      { flags: "--token FILE|-", about: "with --wait: the token to wait for, in place of a new one" },
      relayOption,
    ],
    environment: [["AMESH_RELAY_URL", "used where --relay is not given"], ...keyStoreEnvironment],
    examples: [
      [
        'amesh provision --name "prod-server" --ttl 1h',
        "a token for a machine that is set up within the hour",
      ],
      [
        'amesh provision --name "prod-server" --host api-1 --wait | deploy --token-from-stdin',
        "and see it come",
      ],
      ["amesh provision --wait --token token.txt", "wait for a machine that was given its token before"],
    ],
    exit: [
      ["0", "the token is made; with --wait: the machine is listed as a target"],
      ["1", "the wait was interrupted, or a file or key store cannot be used"],
      ["2", "the command line cannot be read"],
      ["3", "the token to wait for is not one of this machine"],
      ["4", "there is no identity yet, or the token has expired"],
      ["5", "nobody came until the token expired, or the relay cannot be reached"],
    ],
  },

  async run(call) {
    const text = call.has("token") ? await givenToken(call) : await newToken(call);
    if (call.flag("wait")) await wait(call, text);
    return undefined;
  },
};

/** What a token that is there already says itself. */
const ofNewTokens = ["name", "ttl", "host", "relay"];

async function givenToken(call: Call): Promise<string> {
  const unfit = ofNewTokens.find((option) => call.has(option));
  if (unfit !== undefined)
    throw new AmeshError(
      "invalid_option",
      `--${unfit} does not go with --token, which says it already.`,
      usage,
    );
  if (!call.flag("wait")) throw new AmeshError("invalid_option", "--token is for --wait alone.", usage);
  return readToken(call);
}

async function newToken(call: Call): Promise<string> {
  const { terminal } = call;
  const [name, host, relay] = ["name", "host", "relay"].map((option) => call.text(option));
  if (name === undefined) throw new AmeshError("invalid_option", "--name is missing.", usage);
  const lifetimeSeconds = readLifetime(call.text("ttl") ?? "1h");
  const { identity } = await openMachine(call);
  const { text, token } = await provision({
    identity,
    name,
    lifetimeSeconds,
    ...(host === undefined ? {} : { host }),
    ...(relay === undefined ? {} : { relay }),
  });
  const { expiresAt } = token;
  terminal.report(
    { event: "token", token: text, name: token.name, host: token.host, relay: token.relay, expiresAt },
    text,
  );
  terminal.note(describe(token));
  return text;
}

function readLifetime(text: string): number {
  const seconds = parseDuration(text);
  if (seconds <= 86_400) return seconds;
  throw new AmeshError("invalid_option", "A bootstrap token lives 24 hours at most.", {
    fix: "Give --ttl 24h or less, and make another token when it is needed.",
  });
}

async function wait(call: Call, text: string): Promise<void> {
  const { terminal } = call;
  const { identity } = await openMachine(call);
  terminal.note("Waiting for the machine at the relay. The token stays good if this is interrupted.");
  const target = await awaitTarget(text, {
    identity,
    signal: interruption(),
    onTrouble: ({ code, message }) => terminal.note(`Still waiting: ${message} (${code})`),
  });
  const { deviceId, friendlyName, updated } = target;
  if (terminal.json)
    terminal.report({ event: "paired", deviceId, role: "target", friendlyName, updated }, "");
  else
    terminal.note(`${done(`${formatDevice(target)} ${updated ? "updated" : "added"} as target.`)}
If that is not the id that \`amesh list\` shows there, run here: amesh revoke ${deviceId}`);
}

const describe = ({ name, host, expiresAt, relay }: BootstrapToken): string =>
  `Bootstrap token for ${formatName(name)}${host === undefined ? "" : ` on ${host}`}, good until ${new Date(expiresAt * 1000).toISOString()}; relay ${relay}.
Start the new machine with it as AMESH_BOOTSTRAP_TOKEN, or run \`amesh bootstrap\` there.
Its security is that of the channel that sets the variable: whoever can put another token there gets the machine.`;

const usage = { fix: "`amesh provision --help` explains the command." };
