import { createHash } from "node:crypto";
import {
  AmeshError,
  PublicKey,
  quoteForeign,
  readPublicKey,
  type Signable,
  signatureFromDer,
} from "@authmesh/core";
import { BoundedCalls } from "../internal/bounded-calls.js";
import { shareFlight } from "../internal/shared-flight.js";
import { verifiedSignature } from "../internal/verified-signature.js";
import { aliasPattern, type KeyStore, type KeyStoreInfo, namePattern, ownAlias } from "../key-store.js";
import { keyStoreDrivers } from "../key-store-drivers.js";

/** What a signer is given beside the digest. */
export interface SignRequest {
  /** What is signed, for signers that hash it themselves. */
  readonly message: Uint8Array;
  /** Aborted when the time is over. */
  readonly signal: AbortSignal;
}

export interface SignerOptions {
  /** The key that `sign` signs with: itself, or as `readPublicKey` of `@authmesh/core` reads it: DER, PEM, JWK, base64. */
  readonly publicKey: PublicKey | string | Uint8Array;
  /**
   * Signs by ECDSA with P-256. `digest` is the SHA-256 of the message, 32 bytes, and is not hashed again.
   *
   * Gives the signature in DER or as raw r‖s, 64 bytes; nothing, which the types of some clients allow, is a failure.
   * An AmeshError that it throws is handed on, such as `key_store_busy` where the service limits calls; any other
   * becomes `key_store_unavailable`.
   */
  readonly sign: (digest: Uint8Array, request: SignRequest) => Promise<Uint8Array | undefined>;
  /**
   * 32 random bytes that are always the same and secret, for a machine that has an allow list; asked for once a
   * process. Errors count as those of `sign`. Default: the key store is good for calling alone.
   */
  readonly sealingSecret?: (request: Pick<SignRequest, "signal">) => Promise<Uint8Array | undefined>;
  /** As identity.json names the key store: up to 32 lower-case letters, digits and hyphens. Default "kms". */
  readonly name?: string | undefined;
  /** As people read it. Default "Cloud KMS". */
  readonly label?: string | undefined;
  /** What the one key of the store is called here. Default "device", as identities call their key. */
  readonly alias?: string | undefined;
  /** How long one call may take, in milliseconds, waiting for others included. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

const mostCallsAtOnce = 16;
const mostCallsGivenUp = 112;

/**
 * A key store over anything that signs: a cloud KMS, a signing service, another module (docs/protocol.md, section
 * 11.13). Its one key is made elsewhere, so it makes and deletes none.
 *
 * Nothing is believed: every signature is parsed strictly, made low-S and verified against `publicKey` before it is
 * handed out. At most 16 calls run at once; others wait. A call that takes too long is given up and waited for no longer,
 * though it may still run where `sign` does not heed its signal: once 112 such calls have not ended, every further one is
 * `key_store_busy` at once. So at most 128 are ever under way.
 *
 * @example
 * const keyStore = createSignerKeyStore({
 *   publicKey: "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE…", // aws kms get-public-key --query PublicKey --output text
 *   sign: async (digest, { signal }) => {
 *     const command = new SignCommand({
 *       KeyId, Message: digest, MessageType: "DIGEST", SigningAlgorithm: "ECDSA_SHA_256",
 *     });
 *     return (await kms.send(command, { abortSignal: signal })).Signature;
 *   },
 * });
 * const client = createClient({ identity: await openKey(keyStore) });
 *
 * @throws AmeshError `invalid_public_key`
 * @throws TypeError for any other option that is none
 */
export function createSignerKeyStore(options: SignerOptions): KeyStore {
  return new SignerKeyStore(options);
}

class SignerKeyStore implements KeyStore {
  readonly info: KeyStoreInfo;
  readonly #alias: string;
  readonly #publicKey: PublicKey;
  readonly #options: SignerOptions;
  readonly #calls: BoundedCalls;
  readonly #secrets = new Map<string, Promise<Uint8Array>>();

  constructor(options: SignerOptions) {
    const { publicKey, name = "kms", label = "Cloud KMS", alias = ownAlias, timeoutMs = 10_000 } = options;
    if (typeof options.sign !== "function") throw new TypeError("sign must be a function.");
    if (!namePattern.test(name) || keyStoreDrivers.some(({ info }) => info.name === name))
      throw new TypeError("name must be lower-case letters, digits and hyphens, and no name of amesh's own.");
    if (label === "") throw new TypeError("label must not be empty.");
    if (!aliasPattern.test(alias)) throw new TypeError("alias is not an alias of a key.");
    if (!(timeoutMs >= 1 && timeoutMs <= 600_000))
      throw new TypeError("timeoutMs must be from 1 to 600,000.");
    this.info = { name, label, protection };
    this.#alias = alias;
    this.#publicKey = publicKey instanceof PublicKey ? publicKey : readPublicKey(publicKey);
    this.#options = options;
    const tooLate = () =>
      new AmeshError("key_store_busy", `${label} gave no answer within ${timeoutMs / 1000} s.`, {
        fix: "Try again. If it stays, look whether this machine reaches it, and at how many calls it allows.",
      });
    const tooMany = () =>
      new AmeshError(
        "key_store_busy",
        `${label} leaves too many calls without an answer; no more are made.`,
        {
          fix: "Have `sign` end when its signal is aborted. It goes on when those calls end; otherwise restart the process.",
        },
      );
    this.#calls = new BoundedCalls({
      most: mostCallsAtOnce,
      mostGivenUp: mostCallsGivenUp,
      timeoutMs,
      tooLate,
      tooMany,
    });
  }

  async publicKey(alias: string): Promise<PublicKey> {
    this.#assertOwn(alias);
    return this.#publicKey;
  }

  async sign(alias: string, message: Signable): Promise<Uint8Array> {
    this.#assertOwn(alias);
    const digest = createHash("sha256").update(message).digest();
    const answer = await this.#ask("sign", (signal) => this.#options.sign(digest, { message, signal }));
    const signature = readSignature(answer);
    if (signature === undefined) throw this.#failed("sign", "what came back is no ECDSA signature of P-256");
    const misfit = () =>
      new AmeshError("key_mismatch", `${this.info.label} did not sign with ${this.#publicKey.deviceId}.`, {
        fix: "Give the public key of the key that signs. Sign the digest as it is (AWS KMS: MessageType DIGEST).",
      });
    return verifiedSignature(this.#publicKey, message, signature, misfit);
  }

  async sealingSecret(alias: string): Promise<Uint8Array> {
    this.#assertOwn(alias);
    return Uint8Array.from(await shareFlight(this.#secrets, alias, () => this.#askForSecret()));
  }

  async generate(alias: string): Promise<PublicKey> {
    if (!this.#isOwn(alias)) throw this.#readOnly();
    throw new AmeshError("key_exists", `${this.info.label} has the key ${this.#publicKey.deviceId} already.`);
  }

  async delete(alias: string): Promise<void> {
    this.#assertOwn(alias);
    throw this.#readOnly();
  }

  async #askForSecret(): Promise<Uint8Array> {
    const { sealingSecret } = this.#options;
    if (sealingSecret === undefined)
      throw new AmeshError("key_store_unavailable", `${this.info.label} signs, and seals no allow list.`, {
        fix: "Give createSignerKeyStore a sealingSecret, if this machine is to be called by others.",
      });
    const secret = await this.#ask("give the sealing secret", (signal) => sealingSecret({ signal }));
    if (secret instanceof Uint8Array && secret.length === 32) return Uint8Array.from(secret);
    throw this.#failed("give the sealing secret", "it has to be 32 bytes");
  }

  async #ask<T>(what: string, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
    try {
      return await this.#calls.run(call);
    } catch (error) {
      throw error instanceof AmeshError ? error : this.#failed(what, quoteForeign(wordsOf(error)), error);
    }
  }

  #failed(what: string, why: string, cause?: unknown): AmeshError {
    return new AmeshError("key_store_unavailable", `${this.info.label} did not ${what}: ${why}.`, {
      fix: "See that this machine reaches it and may use the key, and what the error's cause says.",
      cause,
    });
  }

  #readOnly(): AmeshError {
    return new AmeshError(
      "key_store_read_only",
      `${this.info.label} holds one key here, ${this.#alias}, and amesh makes and deletes none there.`,
    );
  }

  #assertOwn(alias: string): void {
    if (!this.#isOwn(alias))
      throw new AmeshError("key_not_found", `${this.info.label} has no key ${quoteForeign(alias)} here.`);
  }

  #isOwn(alias: string): boolean {
    if (!aliasPattern.test(alias)) throw new TypeError("This is not an alias of a key.");
    return alias === this.#alias;
  }
}

const protection =
  "The key is with a service that signs for this machine, and never on it. A copy of this machine's files is useless; whoever has its access to the service can sign, for as long as that is granted.";

/** A copy, since the signer may still hold what it gave; undefined for what is no signature. */
function readSignature(answer: unknown): Uint8Array | undefined {
  if (!(answer instanceof Uint8Array) || answer.length > 72) return undefined;
  const bytes = Uint8Array.from(answer);
  if (bytes.length === 64) return bytes; // as DER, r and s would have to be 6 bytes shorter: 1 in 2^48
  try {
    return signatureFromDer(bytes);
  } catch {
    return undefined;
  }
}

/** "ThrottlingException: Rate exceeded" */
const wordsOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : typeof error;
