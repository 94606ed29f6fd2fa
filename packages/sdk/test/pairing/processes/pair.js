// node pair.js listen DIR RELAY | invite DIR RELAY CODE: prints each event as a line of JSON, then the code of the
// error if there is one; the verification code is read from standard input. Ends when nothing is left to do.
import { createInterface } from "node:readline";
import { openIdentity } from "@authmesh/keystore";
import { invite, listen } from "@authmesh/sdk/pairing";

const [verb, dir, relay, code] = process.argv.slice(2);
const identity = await openIdentity({ dir, env: { AUTH_MESH_PASSPHRASE: "correct horse" } });

async function verificationCode() {
  const lines = createInterface({ input: process.stdin });
  for await (const line of lines) return line;
  throw new Error("standard input is closed");
}

const options = { identity, relay, verificationCode };
try {
  for await (const event of verb === "listen" ? listen(options) : invite(code, options)) {
    console.log(JSON.stringify(event));
  }
} catch (error) {
  console.log(JSON.stringify({ error: error.code }));
}
process.stdin.destroy();
