import {
  AmeshError,
  friendlyName,
  parseScopes,
  quoteForeign,
  type Role,
  readPublicKey,
} from "@authmesh/core";
import { addDevice, controllersInTheWay, type DeviceEntry } from "@authmesh/keystore";
import type { Call } from "../call.js";
import { readSource } from "../input-source.js";
import { done, formatDate, formatDevice, formatScopes } from "../layout.js";
import { openMachine } from "../open-machine.js";
import { parseDuration, unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Adds a device by its public key, as PEM, JWK or base64, without a pairing: for a caller that has no amesh command and signs with a program of its own, by docs/protocol.md. Shows the device id and asks; compare the id with what the device's owner tells you over a channel you trust.",
      "Such a program may not bind its requests to a host, so the device is let in also without that; amesh.verify({ requireHostBinding: true }) refuses it then.",
    ],
    options: [
      { flags: "--name NAME", about: "how the device is called here" },
      { flags: "--public-key FILE", about: "file with the key, - for standard input" },
      {
        flags: "--role ROLE",
        about: "controller: it may call this machine; target: this machine may call it (default controller)",
      },
      { flags: "--scope SCOPE", about: "what it may do, such as orders:rw", repeatable: true },
      {
        flags: "--expires DURATION",
        about: "end the entry after so long: 90d, 12h (default: it does not end)",
      },
      { flags: "--replace", about: "let it take the place of the controllers that are in the way" },
      { flags: "--yes", about: "do not ask" },
    ],
    examples: [
      ['amesh add --name "billing" --public-key billing.pem', "a controller, after a question"],
      ['openssl pkey -in key.pem -pubout | amesh add --name "billing" --public-key - --yes', "in a script"],
      [
        'amesh add --name "ci" --public-key ci.jwk --scope orders:r --expires 90d',
        "for ninety days, to read orders",
      ],
    ],
    exit: [
      ["0", "the device is in the allow list"],
      ["1", "the limit of controllers is reached, or the answer was no"],
      ["2", "an option or the key cannot be read, or there is no terminal to ask on"],
      ["3", "the device was revoked here; only pairing by `amesh listen` trusts it again"],
      ["4", "there is no identity yet"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const wanted = await readOptions(call);
    const { list } = await openMachine(call);
    const device = { deviceId: wanted.publicKey.deviceId, friendlyName: wanted.friendlyName };
    const inTheWay =
      wanted.role === "controller" ? controllersInTheWay(list.state, device.deviceId, wanted.now) : [];
    if (!call.flag("yes")) {
      const question = `Add ${formatDevice(device)} as ${wanted.role}?`;
      await terminal.questions.require(question, "Give --yes to add it without being asked.");
    }
    const replace =
      call.flag("replace") ||
      (inTheWay.length > 0 &&
        !call.flag("yes") &&
        (await terminal.questions.agrees(
          `Let it take the place of ${inTheWay.map(formatDevice).join(", ")}?`,
        )));
    const entry = await list.update((draft) => addDevice(draft, { ...wanted, replace }));
    terminal.answer({ added: entry }, () =>
      done(`${formatDevice(entry)} added as ${entry.role}.${describeLimits(entry)}`),
    );
    terminal.next("amesh list");
    return undefined;
  },
};

async function readOptions(call: Call) {
  const name = friendlyName(required(call, "name"));
  const source = required(call, "public-key");
  const role = call.text("role") ?? "controller";
  if (role !== "controller" && role !== "target")
    throw new AmeshError("invalid_option", `--role is controller or target, not ${quoteForeign(role)}.`);
  const scopes = call.list("scope").length === 0 ? undefined : parseScopes(call.list("scope").join(","));
  const lifetime = call.text("expires");
  const now = unixSeconds();
  const expiresAt = lifetime === undefined ? undefined : now + parseDuration(lifetime);
  const publicKey = readPublicKey((await readSource(source, 4096)).toString("utf8"));
  return {
    publicKey,
    friendlyName: name,
    role: role as Role,
    status: "active",
    addedBy: "manual",
    bound: false,
    scopes,
    expiresAt,
    now,
  } as const;
}

function required(call: Call, option: string): string {
  const value = call.text(option);
  if (value === undefined)
    throw new AmeshError("invalid_option", `--${option} is missing.`, {
      fix: "`amesh add --help` explains the command.",
    });
  return value;
}

function describeLimits({ scopes, expiresAt }: DeviceEntry): string {
  const limits = [
    ...(scopes === undefined ? [] : [`Scopes: ${formatScopes(scopes) || "none"}.`]),
    ...(expiresAt === undefined ? [] : [`Expires ${formatDate(expiresAt)}.`]),
  ];
  return limits.map((limit) => ` ${limit}`).join("");
}
