import type { PrivateKey, PublicKey, Signable } from "@authmesh/core";

/**
 * Where a device's key lives (docs/protocol.md, section 11). The key never leaves it: callers name an alias and get
 * signatures. Each driver passes the one conformance suite.
 *
 * An alias has 1 to 64 letters, digits, dots, hyphens and underscores and begins with a letter or digit; anything
 * else is a TypeError. What an alias does not name is `key_not_found`.
 */
export interface KeyStore {
  readonly info: KeyStoreInfo;

  /**
   * Makes a key pair and a sealing secret. Never overwrites.
   *
   * @throws AmeshError `key_exists`, `storage_failed`, `passphrase_missing`; of hardware and keychains also
   * `key_store_unavailable`, `key_store_busy`, `key_store_locked`, `pin_missing`, `pin_wrong`; `key_store_read_only`
   * where keys are made elsewhere
   */
  generate(alias: string): Promise<PublicKey>;

  /** @throws AmeshError `key_not_found`, `key_store_damaged`, `storage_failed` */
  publicKey(alias: string): Promise<PublicKey>;

  /**
   * ECDSA-P256-SHA256: raw r‖s, 64 bytes, low-S.
   *
   * @throws AmeshError `key_not_found`, `passphrase_missing`, `passphrase_wrong`, `key_store_damaged`; of
   * hardware and keychains also `key_store_unavailable`, `key_store_busy`, `key_store_locked`, `pin_missing`,
   * `pin_wrong`, `key_store_changed` when it is not the one that made the key, and `key_mismatch` when what it signs
   * does not fit the key
   */
  sign(alias: string, message: Signable): Promise<Uint8Array>;

  /** 32 random bytes that belong to the key and change never. Throws as `sign` does. */
  sealingSecret(alias: string): Promise<Uint8Array>;

  /**
   * Forgets the key, its sealing secret and what it remembered.
   *
   * @throws AmeshError `key_not_found`; `key_store_read_only` where keys are made elsewhere
   */
  delete(alias: string): Promise<void>;

  /**
   * Keeps a few bytes (at most 64) where whoever changes files beside it cannot change them unnoticed. A store has
   * both `remember` and `recall`, or neither.
   */
  remember?(alias: string, bytes: Uint8Array): Promise<void>;

  /** The bytes last remembered; undefined when there are none. @throws AmeshError `key_store_damaged` */
  recall?(alias: string): Promise<Uint8Array | undefined>;

  /**
   * Gives out the key itself. Only software stores can: one without this has a key that never leaves it. Throws as
   * `sign` does.
   */
  exportKey?(alias: string): Promise<SoftwareKey>;

  /** Takes in a key that was made elsewhere; throws as `generate` does. A store has this and `exportKey`, or neither. */
  importKey?(alias: string, key: SoftwareKey): Promise<void>;

  /**
   * Which hardware holds the key, where there is some: "IBM (SW TPM), firmware 8217.4131.22.13878". Throws as `sign`
   * does.
   */
  describe?(alias: string): Promise<string>;

  /** Lets others see for themselves that the key is in hardware (docs/protocol.md, section 12). */
  attestation?(alias: string): KeyAttestation;
}

/** The device's half of an attestation; `createAttestationVerifier` is the other. Both messages are JSON texts. */
export interface KeyAttestation {
  /**
   * What the hardware says of the key and of itself. It identifies the machine to whoever reads it.
   *
   * @throws AmeshError as `sign` does, and `attestation_unavailable`
   */
  claim(): Promise<string>;

  /**
   * Answers the verifier's challenge to that claim, also in a later process.
   *
   * @throws AmeshError as `claim` does; `attestation_refused` for a challenge to another device or key
   */
  answer(challenge: string): Promise<string>;
}

/** A key outside of any store, and the secret that belongs to it. */
export interface SoftwareKey {
  readonly privateKey: PrivateKey;
  /** 32 bytes. */
  readonly sealingSecret: Uint8Array;
}

export interface KeyStoreInfo {
  /** As in `--backend` and identity.json. */
  readonly name: string;
  /** As people read it: "Encrypted file". */
  readonly label: string;
  /** What it protects against, and what not. */
  readonly protection: string;
}

/** Whether a key store works on this machine. */
export interface KeyStoreDetection {
  readonly available: boolean;
  /** A few plain words: "no /dev/tpmrm0". */
  readonly reason: string;
  /** What mends it, where something is known to. */
  readonly fix?: string;
}

/** What an identity calls its key. */
export const ownAlias = "device";

export const namePattern = /^[a-z0-9-]{1,32}$/;

export const aliasPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
