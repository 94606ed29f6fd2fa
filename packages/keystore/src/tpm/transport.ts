import { existsSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { AmeshError, concatBytes } from "@authmesh/core";
import { errorCode } from "@authmesh/core/storage-error";
import { describeAddress, type TpmAddress } from "./address.js";
import { answerLength, maxMessageLength } from "./message.js";
import { notATpm, TpmTrouble } from "./trouble.js";

/** A TPM that is open for this process alone, or that a resource manager shares between many. */
export interface Transport {
  /** Sends one command and waits for its answer. */
  exchange(command: Uint8Array): Promise<Uint8Array>;
  close(): void;
}

/**
 * @param signal ends every wait; whoever aborts it gets its reason thrown, or the error of a socket that was cut
 * @throws TpmTrouble
 */
export async function openTransport(address: TpmAddress, signal: AbortSignal): Promise<Transport> {
  for (;;) {
    try {
      return await (address.kind === "device"
        ? openDevice(address.path, signal)
        : openSocket(address, signal));
    } catch (error) {
      signal.throwIfAborted();
      if (!occupied.has(errorCode(error) ?? "")) throw unreachable(address, error);
    }
    await pause(20);
  }
}

/** Without a resource manager there is one user at a time; a Unix socket whose queue is full says EAGAIN. */
const occupied = new Set(["EBUSY", "EAGAIN"]);

/** A device takes a command in one write and gives the answer in one read. */
async function openDevice(path: string, signal: AbortSignal): Promise<Transport> {
  // A command must not be written into a file.
  if (!(await stat(path)).isCharacterDevice())
    throw new TpmTrouble("key_store_unavailable", `${path} is no device`, { fix: nameAnother });
  const handle = await open(path, "r+");
  return {
    async exchange(command) {
      await orAbort(handle.write(command), signal);
      const answer = new Uint8Array(maxMessageLength);
      const { bytesRead } = await orAbort(handle.read(answer, 0, answer.length, null), signal);
      return answer.subarray(0, bytesRead);
    },
    // The kernel is done with the command before this resolves; nobody needs to wait for that.
    close: () => void handle.close().catch(() => undefined),
  };
}

function orAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** A socket carries bare commands and answers, one after another; each says how long it is. */
async function openSocket(address: TpmAddress & { kind: "socket" }, signal: AbortSignal): Promise<Transport> {
  const { kind: _, ...target } = address;
  const socket = addAbortSignal(signal, connect(target));
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.on("error", reject); // stays, so that no later error is one that nobody listens for
  });
  const chunks: AsyncIterator<Buffer> = socket[Symbol.asyncIterator]();
  return { exchange: (command) => exchange(socket, chunks, command), close: () => void socket.destroy() };
}

async function exchange(
  socket: Socket,
  chunks: AsyncIterator<Buffer>,
  command: Uint8Array,
): Promise<Uint8Array> {
  socket.write(command);
  let answer: Uint8Array = new Uint8Array();
  for (;;) {
    const { value, done } = await chunks.next();
    if (done) throw new TpmTrouble("key_store_unavailable", "it hung up");
    answer = concatBytes(answer, value);
    const length = answerLength(answer) ?? Number.POSITIVE_INFINITY;
    if (answer.length > length) throw notATpm("it sends more than an answer");
    if (answer.length === length) return answer;
  }
}

const joinGroup = "Add the user to the group that owns it, usually with `usermod -aG tss USER`.";
const switchOn =
  "Switch the TPM on in the firmware's setup, or say in AMESH_TPM where it is. Joining the group tss (`usermod -aG tss USER`) lets a user at it.";
const nameAnother = "Start the TPM that AMESH_TPM names, or correct AMESH_TPM.";

const openProblems: Readonly<Record<string, (place: string) => [reason: string, fix?: string]>> = {
  ENOENT: (place) => [withoutResourceManager(place) ?? `no ${place}`, switchOn],
  EACCES: (place) => [`permission denied on ${place}`, joinGroup],
  EPERM: (place) => [`permission denied on ${place}`, joinGroup],
  ECONNREFUSED: (place) => [`nothing listens at ${place}`, nameAnother],
  ENOTFOUND: (place) => [`no host of that name: ${place}`, nameAnother],
  ENODEV: (place) => [`no TPM behind ${place}`, switchOn],
  EISDIR: (place) => [`${place} is no device`, nameAnother],
  ECONNRESET: (place) => [`${place} hung up`, nameAnother],
  EPIPE: (place) => [`${place} hung up`, nameAnother],
  ERR_STREAM_PREMATURE_CLOSE: (place) => [`${place} hung up`, nameAnother],
};

/** The kernel shows a TPM as /dev/tpmN, and as /dev/tpmrmN where it manages the TPM's memory for many users. */
function withoutResourceManager(place: string): string | undefined {
  const bare = place.replace(/tpmrm([0-9]+)$/, "tpm$1");
  return bare !== place && existsSync(bare)
    ? `no resource manager: there is ${bare} but no ${place}`
    : undefined;
}

/** What a failed call to the system means; any other error stays what it is. */
export function unreachable(address: TpmAddress, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || error instanceof TpmTrouble || error instanceof AmeshError) return error;
  const place = describeAddress(address);
  const [reason, fix] = openProblems[code]?.(place) ?? [`${place} fails with ${code}`];
  return new TpmTrouble("key_store_unavailable", reason, { ...(fix && { fix }), cause: error });
}
