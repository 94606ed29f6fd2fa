import { createHash, timingSafeEqual } from "node:crypto";
import {
  AmeshError,
  computeSharedSecret,
  generateEphemeralKeyPair,
  PublicKey,
  type Signable,
  signableProbe,
  signatureFromDer,
} from "@authmesh/core";
import type { Environment } from "../folder.js";
import { Trouble } from "../internal/trouble.js";
import { verifiedSignature } from "../internal/verified-signature.js";
import { askHelper } from "./helper.js";
import { helperPath } from "./helper-path.js";
import { agree, type HelperCommand, make, probe, sign } from "./messages.js";
import { notTheHelper } from "./refusals.js";
import { deriveSealing, type Sealing } from "./sealing.js";

export interface EnclaveOptions {
  /** `AMESH_SECURE_ENCLAVE_HELPER` names the program that speaks to the Enclave. Default `process.env`. */
  readonly env?: Environment | undefined;
  /** How long one use may take, waiting for other users included. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** Where no helper is named, there is one on "darwin" only. Default `process.platform`. */
  readonly platform?: NodeJS.Platform | undefined;
}

/** A key pair in the Enclave, by which it signs. */
export interface SigningKey {
  readonly publicKey: PublicKey;
  readonly signingKey: Uint8Array;
}

/** A key pair in the Enclave, and the public half of one that nobody has any more: their secret only it can tell. */
export interface SealingKey {
  readonly agreementKey: Uint8Array;
  readonly peer: PublicKey;
}

/**
 * A Secure Enclave, behind its helper. What the helper says is checked before anybody relies on it.
 *
 * Everything throws Trouble.
 */
export class Enclave {
  readonly #options: EnclaveOptions;

  constructor(options: EnclaveOptions) {
    this.#options = options;
  }

  /** Finds out whether it can be used. @returns the helper's version */
  async probe(): Promise<string> {
    return (await this.#ask(probe)).helper;
  }

  /** Makes both pairs of keys and sees that they work. */
  async make(): Promise<SigningKey & SealingKey & Sealing> {
    const { publicKey, signingKey, agreementKey, agreementPublicKey } = await this.#ask(make);
    await this.#signature({ publicKey, signingKey }, signableProbe(), () =>
      notTheHelper("it does not sign with the key that it made"),
    );
    const { privateKey, publicKey: peerBytes } = generateEphemeralKeyPair();
    const expected = computeSharedSecret(privateKey, agreementPublicKey.bytes);
    privateKey.fill(0);
    const peer = PublicKey.fromBytes(peerBytes);
    const { secret: shared } = await this.#ask(agree(agreementKey, peer));
    if (!timingSafeEqual(shared, expected)) throw notTheHelper("it does not agree with the key that it made");
    const sealing = deriveSealing(shared, publicKey);
    for (const bytes of [shared, expected]) bytes.fill(0);
    return { publicKey, signingKey, agreementKey, peer, ...sealing };
  }

  /** @returns raw r‖s, low-S */
  sign(key: SigningKey, message: Signable): Promise<Uint8Array> {
    const misfit = () =>
      new Trouble("key_store_damaged", "what it signs does not fit the public key in the key's file");
    return this.#signature(key, message, misfit);
  }

  /** @param expected what `make` gave as `check` */
  async sealingSecret(key: SigningKey & SealingKey, expected: Uint8Array): Promise<Uint8Array> {
    const { secret: shared } = await this.#ask(agree(key.agreementKey, key.peer));
    const { secret, check } = deriveSealing(shared, key.publicKey);
    shared.fill(0);
    if (timingSafeEqual(check, expected)) return secret;
    throw new Trouble("key_store_changed", "it derives another sealing secret than it did at first");
  }

  async #signature(
    { publicKey, signingKey }: SigningKey,
    message: Signable,
    misfit: () => Error,
  ): Promise<Uint8Array> {
    const digest = createHash("sha256").update(message).digest();
    const { signature: der } = await this.#ask(sign(signingKey, digest));
    return verifiedSignature(publicKey, message, rawSignature(der), misfit);
  }

  #ask<T>(command: HelperCommand<T>): Promise<T> {
    const { env = process.env, timeoutMs = 10_000, platform = process.platform } = this.#options;
    return askHelper(helperPath(env, platform), timeoutMs, command);
  }
}

function rawSignature(der: Uint8Array): Uint8Array {
  try {
    return signatureFromDer(der);
  } catch (error) {
    throw error instanceof AmeshError ? notTheHelper("its signature is not DER", error) : error;
  }
}
