import { hostname } from "node:os";
import { type CreatedIdentity, createIdentity } from "@authmesh/keystore";
import { readAudience } from "../audience-option.js";
import type { Call } from "../call.js";
import { fields, identityDocument } from "../layout.js";
import { readMaxControllers } from "../max-controllers-option.js";
import { describeDetection, selectedLabel } from "./detection.js";
import { pkcs11Place } from "./pkcs11-place.js";

/** `amesh init`: the identity of a machine that has none. */
export async function create(call: Call): Promise<void> {
  const { terminal } = call;
  const audience = readAudience(call);
  const created = await createIdentity({
    friendlyName: call.text("name") ?? hostname(),
    backend: call.text("backend"),
    pkcs11: pkcs11Place(call),
    promptSecret: terminal.questions.secret,
    maxControllers: readMaxControllers(call),
    audience,
  });
  const { identity, dir, findings, warnings } = created;
  terminal.answer({ dir, device: identityDocument(identity), findings, audience, warnings }, () =>
    describe(created),
  );
  for (const { message } of warnings) terminal.warn(message);
}

function describe({ identity, findings }: CreatedIdentity): string {
  const identityFields = fields([
    ["Device ID", identity.deviceId],
    ["Public Key", `${identity.publicKey.slice(0, 20)}...`],
    ["Backend", selectedLabel(findings, identity.backend)],
    ["Friendly Name", identity.friendlyName],
  ]);
  return `Generating P-256 keypair...

${describeDetection(findings)}

Identity created.

${identityFields}

Next steps:
  Target:     run \`amesh listen\`, then \`amesh invite\` from your controller
  Controller: run \`amesh listen\` on a target first, then \`amesh invite\` here`;
}
