import { hostname } from "node:os";
import { AmeshError } from "@authmesh/core";
import { type CreatedIdentity, createIdentity, keyStoreDrivers, type Pkcs11Place } from "@authmesh/keystore";
import { audienceOption, readAudience } from "../audience-option.js";
import type { Call } from "../call.js";
import { fields, identityDocument } from "../layout.js";
import type { Verb } from "../verb.js";

const backends = keyStoreDrivers.map(({ info }) => info.name);

export const verb: Verb = {
  manual: {
    description: [
      "Makes a P-256 key pair in the best key store this machine has, identity.json beside it, and an empty allow list. Overwrites nothing, and asks nothing but the PIN of a token.",
      "The encrypted-file key store needs a passphrase. With neither AUTH_MESH_PASSPHRASE nor AMESH_PASSPHRASE_FILE set, one is generated and kept in a file beside the key; a warning says what that does not protect against.",
      "The pkcs11 key store makes the key in a token (smart card, USB token, HSM) through the token's module. The PIN comes from AMESH_PIN, from the file that AMESH_PIN_FILE names, or from a prompt.",
    ],
    options: [
      { flags: "--name NAME", about: "how other machines will see this one (default: its host name)" },
      { flags: "--backend NAME", about: `key store: ${backends.join(", ")} (default: the best one found)` },
      { flags: "--module PATH", about: "pkcs11: the token's module, an absolute path" },
      { flags: "--token NAME", about: "pkcs11: the token's label or serial number (default: the only one)" },
      { flags: "--max-controllers N", about: "how many controllers this machine accepts (default 1)" },
      audienceOption,
    ],
    environment: [
      [
        "AMESH_SECURE_ENCLAVE_HELPER",
        "the program that speaks to the Secure Enclave (default: what secure-enclave/build.sh made on a Mac)",
      ],
      ["AMESH_TPM", "the TPM to use: /dev/…, swtpm:HOST:PORT or unix:/PATH (default /dev/tpmrm0)"],
      ["AMESH_PIN", "the PIN of the token"],
      ["AMESH_PIN_FILE", "a file that holds it"],
    ],
    examples: [
      ['amesh init --name "My Laptop"', "a machine that will call others"],
      ['amesh init --name "prod-api" --audience api.example.com', "a server, named as its callers name it"],
      [
        'AUTH_MESH_DIR=/tmp/a amesh init --name "service-a" --backend encrypted-file',
        "a second identity, to try things",
      ],
      [
        "amesh init --backend pkcs11 --module /usr/lib/softhsm/libsofthsm2.so --token amesh",
        "a key in a token; asks for the PIN",
      ],
    ],
    exit: [
      ["0", "the identity is made"],
      ["1", "there is one already, or a file or key store cannot be used"],
      ["2", "an option cannot be read"],
      ["4", "a PIN or a package is missing"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const audience = readAudience(call);
    const created = await createIdentity({
      friendlyName: call.text("name") ?? hostname(),
      backend: call.text("backend"),
      pkcs11: pkcs11Place(call),
      promptSecret: terminal.questions.secret,
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

/** @throws AmeshError `invalid_option` */
function pkcs11Place(call: Call): Pkcs11Place | undefined {
  const [module, token] = [call.text("module"), call.text("token")];
  if (module !== undefined) return { module, token };
  if (token === undefined) return undefined;
  throw new AmeshError("invalid_option", "--token says which token of a module, and no --module is given.", {
    fix: "Add --backend pkcs11 --module /PATH/OF/MODULE.so.",
  });
}

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
