import { hostname } from "node:os";
import { type CreatedIdentity, createIdentity, keyStoreDrivers } from "@authmesh/keystore";
import { audienceOption, readAudience } from "../audience-option.js";
import { fields, identityDocument } from "../layout.js";
import type { Verb } from "../verb.js";

const backends = keyStoreDrivers.map(({ info }) => info.name);

export const verb: Verb = {
  manual: {
    description: [
      "Makes a P-256 key pair in the best key store this machine has, identity.json beside it, and an empty allow list. Asks nothing and overwrites nothing.",
      "The encrypted-file key store needs a passphrase. With neither AUTH_MESH_PASSPHRASE nor AMESH_PASSPHRASE_FILE set, one is generated and kept in a file beside the key; a warning says what that does not protect against.",
    ],
    options: [
      { flags: "--name NAME", about: "how other machines will see this one (default: its host name)" },
      { flags: "--backend NAME", about: `key store: ${backends.join(", ")} (default: the best one found)` },
      { flags: "--max-controllers N", about: "how many controllers this machine accepts (default 1)" },
      audienceOption,
    ],
    environment: [
      [
        "AMESH_SECURE_ENCLAVE_HELPER",
        "the program that speaks to the Secure Enclave (default: what secure-enclave/build.sh made on a Mac)",
      ],
      ["AMESH_TPM", "the TPM to use: /dev/…, swtpm:HOST:PORT or unix:/PATH (default /dev/tpmrm0)"],
    ],
    examples: [
      ['amesh init --name "My Laptop"', "a machine that will call others"],
      ['amesh init --name "prod-api" --audience api.example.com', "a server, named as its callers name it"],
      [
        'AUTH_MESH_DIR=/tmp/a amesh init --name "service-a" --backend encrypted-file',
        "a second identity, to try things",
      ],
    ],
    exit: [
      ["0", "the identity is made"],
      ["1", "there is one already, or a file or key store cannot be used"],
      ["2", "an option cannot be read"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const audience = readAudience(call);
    const created = await createIdentity({
      friendlyName: call.text("name") ?? hostname(),
      backend: call.text("backend"),
      maxControllers: call.number("max-controllers", 1000),
      audience,
    });
    const { identity, dir, findings, warnings } = created;
    terminal.answer({ dir, device: identityDocument(identity), findings, audience, warnings }, () =>
      describe(created),
    );
    for (const { message } of warnings) terminal.warn(message);
    return undefined;
  },
};

function describe({ identity, findings }: CreatedIdentity): string {
  const backend = findings.find(({ status }) => status === "selected")?.label ?? identity.backend;
  const width = Math.max(...findings.map(({ label }) => label.length));
  const detected = findings.map(
    ({ label, status, reason }) =>
      `  ${label.padEnd(width)}    ${status === "selected" ? status : `${status} (${reason})`}`,
  );
  const identityFields = fields([
    ["Device ID", identity.deviceId],
    ["Public Key", `${identity.publicKey.slice(0, 20)}...`],
    ["Backend", backend],
    ["Friendly Name", identity.friendlyName],
  ]);
  return `Generating P-256 keypair...

Detecting key storage backend:
${detected.join("\n")}

Identity created.

${identityFields}

Next steps:
  Target:     run \`amesh listen\`, then \`amesh invite\` from your controller
  Controller: run \`amesh listen\` on a target first, then \`amesh invite\` here`;
}
