/**
 * A process that does what `keychain.ts` asks of it. The library waits in a native call while somebody is asked to
 * unlock the keychain, and not even the end of a process cuts such a call short; killing the process does.
 */

/** The message to this process; there is one at a time. */
export type Request =
  | { readonly action: "read" | "remove"; readonly account: string }
  | { readonly action: "write"; readonly account: string; readonly secret: Uint8Array };

/** The message back: the secret that was read, or what the library says went wrong. */
export type Answer = { readonly secret?: Uint8Array } | { readonly problem: string };

/** No item of amesh is longer; what somebody else put in its place is not carried around. */
const maxSecretLength = 4096;

async function answer(request: Request): Promise<Answer> {
  try {
    return await act(request);
  } catch (error) {
    return { problem: String((error as Error).message).slice(0, 1000) };
  }
}

async function act(request: Request): Promise<Answer> {
  const { AsyncEntry } = await import("@napi-rs/keyring");
  // Unless it is told which one, the library takes the kernel's keyring where there is no Secret Service.
  const entry = new AsyncEntry("amesh", request.account, { linux: { store: "secret-service" } });
  if (request.action === "write") await entry.setSecret(request.secret);
  if (request.action === "remove") await entry.deleteCredential();
  if (request.action !== "read") return {};
  const secret = await entry.getSecret();
  if (secret === null) return {};
  if (secret.length > maxSecretLength) throw new Error("The item is too long.");
  return { secret: Uint8Array.from(secret) };
}

process.on("message", async (request: Request) => process.send?.(await answer(request)));
process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
