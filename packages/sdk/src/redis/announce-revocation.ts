import {
  AmeshError,
  createDeviceRevocation,
  type DeviceRevocationOptions,
  outageReason,
  type PublicKey,
  quoteForeign,
  type RedisCommands,
  readDeviceRevocation,
  type Sign,
} from "@authmesh/core";
import { within } from "@authmesh/oath/timing";
import { mostStatements, RevocationStream } from "./revocation-stream.js";
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
 * @returns the ids of others that say of the device, believed or not, that it is revoked
 * @throws AmeshError `revocation_unavailable` if Redis cannot be asked; TypeError for what no reader would take
 */
export async function announceRevocation(
  commands: RedisCommands,
  signer: { readonly publicKey: PublicKey; readonly sign: Sign },
  { prefix = "ar:", timeoutMs = 2000, now = Date.now, device, ...what }: AnnounceOptions,
): Promise<{ readonly others: readonly string[] }> {
  const { deviceId } = signer.publicKey;
  const stream = new RevocationStream(commands, prefix);
  try {
    const said = new RevokedDevices(mostStatements, () => true);
    for await (const each of allOf(stream, timeoutMs)) if (isAbout(each, device)) said.hear(each);
    const seq = Math.max(said.seqOf(deviceId, device) + 1, now());
    const statement = await createDeviceRevocation(signer, { ...what, device, seq, now });
    await within(timeoutMs, stream.append(statement));
    return { others: said.revokersOf(device).filter((id) => id !== deviceId) };
  } catch (error) {
    if (error instanceof AmeshError || error instanceof TypeError) throw error;
    if (isSpoiled(error)) throw spoiled(error, `${prefix}devices`);
    throw new AmeshError(
      "revocation_unavailable",
      `The Redis of the fleet cannot be asked: ${outageReason(error).replace(/\.$/, "")}.`,
      { fix: "See that it runs and can be reached from here, and say it once more." },
    );
  }
}

/** What Redis answers where the key holds something else, and where an entry of the highest id leaves no room behind it. */
const isSpoiled = (error: unknown): error is Error =>
  error instanceof Error && /\bWRONGTYPE\b|^ERR .*\b(?:XADD|last possible ID)\b/.test(error.message);

const spoiled = ({ message }: Error, key: string): AmeshError =>
  new AmeshError(
    "revocation_unavailable",
    `The stream ${key} takes no statement: Redis says ${quoteForeign(message, 200)}.`,
    {
      fix: `Find out who wrote there. \`DEL ${key}\` heals it: servers tell again what they remember; then say it once more.`,
    },
  );

function isAbout(statement: string, device: string): boolean {
  const read = readDeviceRevocation(statement);
  return typeof read === "object" && read.device === device;
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
