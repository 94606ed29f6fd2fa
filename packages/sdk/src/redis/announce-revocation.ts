import {
  AmeshError,
  createDeviceRevocation,
  type DeviceRevocationOptions,
  outageReason,
  type PublicKey,
  type RedisCommands,
  type Sign,
} from "@authmesh/core";
import { within } from "@authmesh/oath/timing";
import { RevocationStream } from "./revocation-stream.js";
import { RevokedDevices } from "./revoked-devices.js";

export interface AnnounceOptions extends Omit<DeviceRevocationOptions, "seq"> {
  /** What keys begin with. Default "ar:". */
  readonly prefix?: string;
  /** Milliseconds an answer of Redis may take. Default 2000. */
  readonly timeoutMs?: number;
}

/**
 * Tells a fleet that a device is revoked, or not any more (docs/protocol.md, section 9.5). All of the stream is read before, for the number of
 * the statement: it is above all earlier ones of this signer on the device, and not below the time, so that it counts for those who remember what
 * Redis forgot.
 *
 * @throws AmeshError `storage_failed` if Redis cannot be asked; TypeError for what no reader would take
 */
export async function announceRevocation(
  commands: RedisCommands,
  signer: { readonly publicKey: PublicKey; readonly sign: Sign },
  { prefix = "ar:", timeoutMs = 2000, now = Date.now, ...said }: AnnounceOptions,
): Promise<void> {
  const { deviceId } = signer.publicKey;
  const stream = new RevocationStream(commands, prefix);
  try {
    const own = new RevokedDevices((id) => id === deviceId);
    for await (const each of allOf(stream, timeoutMs)) own.hear(each);
    const seq = Math.max(own.seqOf(deviceId, said.device) + 1, now());
    const statement = await createDeviceRevocation(signer, { ...said, seq, now });
    await within(timeoutMs, stream.append(statement));
  } catch (error) {
    if (error instanceof AmeshError || error instanceof TypeError) throw error;
    throw new AmeshError(
      "storage_failed",
      `The Redis of the fleet cannot be asked: ${outageReason(error).replace(/\.$/, "")}.`,
      { fix: "See that it runs, and that REDIS_URL is right." },
    );
  }
}

async function* allOf(stream: RevocationStream, timeoutMs: number): AsyncGenerator<string> {
  let last = "";
  for (;;) {
    const page: Awaited<ReturnType<RevocationStream["read"]>> = await within(timeoutMs, stream.read(last));
    if (page === "lost") throw new Error("it was emptied meanwhile");
    yield* page.statements;
    if (!page.more) return;
    last = page.last;
  }
}
