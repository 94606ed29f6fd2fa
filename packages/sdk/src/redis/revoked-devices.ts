import { type DeviceRevocation, readDeviceRevocation } from "@authmesh/core";

/** What became of a statement: half a sentence where it was passed over and somebody should know. */
export type Heard = "believed" | "known" | Ignored;

export interface Ignored {
  readonly ignored: string;
  /** Whether that is for who signed it: who is believed may change, and then it counts. */
  readonly forSigner?: boolean;
}

interface Word {
  readonly seq: number;
  readonly action: DeviceRevocation["action"];
  readonly statement: string;
}

/** @param key the signer's, in base64 */
export type MayRevoke = (signer: string, key: string) => boolean;

/**
 * Whom a fleet revoked, as this machine believes it (docs/protocol.md, section 9.5). Of a signer on a device the statement with the highest
 * number counts, in whatever order they come, and a device is revoked while one signer says so. What was believed stays so, whatever becomes
 * of its signer.
 */
export class RevokedDevices {
  readonly #mayRevoke: MayRevoke;
  /** By device, and then by signer. */
  readonly #words = new Map<string, Map<string, Word>>();
  readonly #most: number;
  #size = 0;

  /** @param most statements that are kept. @param mayRevoke whether this machine lets the signer revoke; not asked for one that is revoked itself */
  constructor(most: number, mayRevoke: MayRevoke) {
    this.#most = most;
    this.#mayRevoke = mayRevoke;
  }

  isRevoked(device: string): boolean {
    return !this.#revokersOf(device).next().done;
  }

  /** Ids of those who say that a device is revoked. */
  revokersOf(device: string): readonly string[] {
    return [...this.#revokersOf(device)];
  }

  /** All that is believed, one statement for each signer and device. */
  *statements(): Generator<string> {
    for (const words of this.#words.values()) for (const { statement } of words.values()) yield statement;
  }

  /** The highest number of a signer on a device; 0 if there is none. */
  seqOf(signer: string, device: string): number {
    return this.#words.get(device)?.get(signer)?.seq ?? 0;
  }

  /** Takes a statement in. The signature is looked at last: it costs most. Never throws. */
  hear(statement: string): Heard {
    const read = readDeviceRevocation(statement);
    if (typeof read === "string") return { ignored: `it is no statement: ${read}` };
    const { signer, key, device, seq, action } = read;
    if (seq <= this.seqOf(signer, device)) return "known";
    if (this.isRevoked(signer)) return { ignored: `its signer ${signer} is revoked`, forSigner: true };
    if (!this.#mayRevoke(signer, key))
      return { ignored: `its signer ${signer} may not revoke here`, forSigner: true };
    if (action === "unrevoke" && signer === device)
      return { ignored: `${signer} takes back that it is revoked itself` };
    if (!read.isSigned()) return { ignored: `it is not signed by ${signer}, whom it names` };
    return this.#keep(read, statement)
      ? "believed"
      : { ignored: `${this.#most} statements are kept already` };
  }

  /** Takes in what was believed before, whatever became of its signer. */
  restore(statement: string): void {
    const read = readDeviceRevocation(statement);
    if (typeof read === "string" || read.seq <= this.seqOf(read.signer, read.device)) return;
    if (read.isSigned()) this.#keep(read, statement);
  }

  #keep({ signer, device, seq, action }: DeviceRevocation, statement: string): boolean {
    const words = this.#words.get(device) ?? new Map<string, Word>();
    if (!words.has(signer)) {
      if (this.#size >= this.#most) return false;
      this.#size++;
    }
    this.#words.set(device, words.set(signer, { seq, action, statement }));
    return true;
  }

  *#revokersOf(device: string): Generator<string> {
    for (const [signer, { action }] of this.#words.get(device) ?? []) if (action === "revoke") yield signer;
  }
}
