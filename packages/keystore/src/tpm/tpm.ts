import { setTimeout as pause } from "node:timers/promises";
import { inTimedTurn } from "../internal/timed-turn.js";
import { describeAddress, type TpmAddress } from "./address.js";
import { createStorageRoot, flush, handlesOf, load, type WrappedObject } from "./commands.js";
import { type Command, readAnswer, writeCommand } from "./message.js";
import { TpmRefusal } from "./response-codes.js";
import { openTransport, type Transport, unreachable } from "./transport.js";
import { TpmTrouble } from "./trouble.js";

/** A TPM while somebody uses it. */
export class Tpm {
  readonly #transport: Transport;
  readonly #signal: AbortSignal;
  readonly #held = new Set<number>();
  #swept = false;

  constructor(transport: Transport, signal: AbortSignal) {
    this.#transport = transport;
    this.#signal = signal;
  }

  /**
   * Sends a command and reads its answer. A TPM that is busy is asked again until the time is over; one whose
   * memory is full is rid of forgotten objects and sessions, once.
   *
   * @throws TpmTrouble
   */
  async execute<T>(command: Command<T>): Promise<T> {
    for (let wait = 10; ; wait = Math.min(2 * wait, 500)) {
      try {
        return readAnswer(command, await this.#transport.exchange(writeCommand(command)));
      } catch (error) {
        if (!(error instanceof TpmRefusal) || error.remedy === undefined) throw error;
        if (error.remedy === "wait") await this.#wait(wait, error);
        else if (this.#swept) throw error;
        else await this.#sweep();
      }
    }
  }

  /** Loads an object, makes one or starts a session, for the time that `work` takes: a TPM has room for three. */
  async holding<T>(object: Command<number>, work: (handle: number) => Promise<T>): Promise<T> {
    const handle = await this.execute(object);
    this.#held.add(handle);
    try {
      return await work(handle);
    } finally {
      // A failure must not hide that of `work`, nor its result; what stays behind is swept when room is needed.
      await this.execute(flush(handle)).catch(() => undefined);
      this.#held.delete(handle);
    }
  }

  /** Loads an object that was made under the storage root key. */
  holdingWrapped<T>(wrapped: WrappedObject, work: (handle: number) => Promise<T>): Promise<T> {
    return this.holding(createStorageRoot(), (root) => this.holding(load(root, wrapped), work));
  }

  /**
   * Removes what processes left behind which were killed while they used the TPM. A resource manager shows a process
   * its own objects and sessions only; without one, whoever is connected has the TPM alone.
   */
  async #sweep(): Promise<void> {
    this.#swept = true;
    for (const kind of ["object", "session"] as const)
      for (const handle of await this.execute(handlesOf(kind)))
        if (!this.#held.has(handle)) await this.execute(flush(handle));
  }

  async #wait(milliseconds: number, refusal: TpmRefusal): Promise<void> {
    try {
      await pause(milliseconds, undefined, { signal: this.#signal });
    } catch {
      throw refusal;
    }
  }
}

/**
 * Opens the TPM, works with it and lets it go, so that others can use it in between. Callers of one process come
 * one after another.
 *
 * @param timeoutMs for the whole of it, waiting for others included
 * @throws TpmTrouble `key_store_busy` when the time is over
 */
export function useTpm<T>(
  address: TpmAddress,
  timeoutMs: number,
  work: (tpm: Tpm) => Promise<T>,
): Promise<T> {
  const place = describeAddress(address);
  return inTimedTurn(
    `tpm ${place}`,
    timeoutMs,
    () => tooLate(place, timeoutMs),
    (signal) => useNow(address, signal, work),
  );
}

async function useNow<T>(
  address: TpmAddress,
  signal: AbortSignal,
  work: (tpm: Tpm) => Promise<T>,
): Promise<T> {
  const transport = await openTransport(address, signal);
  try {
    return await work(new Tpm(transport, signal));
  } catch (error) {
    throw signal.aborted && !(error instanceof TpmRefusal) ? signal.reason : unreachable(address, error);
  } finally {
    transport.close();
  }
}

const tooLate = (place: string, timeoutMs: number) =>
  new TpmTrouble(
    "key_store_busy",
    `${place} gave no answer within ${timeoutMs / 1000} s; another program may be using it`,
  );
