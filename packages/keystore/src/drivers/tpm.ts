import { createHash, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { type PublicKey, type Signable, signableProbe, utf8 } from "@authmesh/core";
import type { Environment } from "../folder.js";
import { shareFlight } from "../internal/shared-flight.js";
import { notAvailable } from "../internal/trouble.js";
import { verifiedSignature } from "../internal/verified-signature.js";
import type { KeyAttestation, KeyStore, KeyStoreDetection, KeyStoreInfo } from "../key-store.js";
import { describeAddress, tpmAddress } from "../tpm/address.js";
import { create, createStorageRoot, load, sign, unseal, type WrappedObject } from "../tpm/commands.js";
import { describeTpm } from "../tpm/description.js";
import { sealedDataTemplate, signingKeyTemplate } from "../tpm/public-area.js";
import { type Tpm, useTpm } from "../tpm/tpm.js";
import { notATpm, TpmTrouble } from "../tpm/trouble.js";
import { AliasFiles, keyExists } from "./alias-files.js";
import { parseTpmFile, type TpmFile, writeTpmFile } from "./tpm-file.js";

export interface TpmOptions {
  /** The folder of the key files; it exists. */
  readonly dir: string;
  /** `AMESH_TPM` says where the TPM is. Default `process.env`. */
  readonly env?: Environment | undefined;
  /** How long one use may take, waiting for other users included. Default 10,000. */
  readonly timeoutMs?: number | undefined;
  /** The same for a claim and for an answer to a challenge: an RSA endorsement key takes long to make. Default 60,000. */
  readonly attestationTimeoutMs?: number | undefined;
}

export const tpmInfo: KeyStoreInfo = {
  name: "tpm",
  label: "TPM 2.0",
  protection:
    "The key was made in the TPM and never leaves it. Copies of this folder or of the disk are useless on other machines; whoever may use this TPM and read this folder can sign here, but not take the key along.",
};

/**
 * Keys in the machine's TPM 2.0, each wrapped by it in a file `ALIAS.tpm` (docs/protocol.md, section 11), and what
 * they remember in `ALIAS.remembered`. The TPM is opened for each use and let go after it. The sealing secret, once
 * unsealed, stays in the memory of the process; the key never is there.
 */
export class TpmKeyStore implements KeyStore {
  readonly info = tpmInfo;
  readonly #files: AliasFiles;
  readonly #env: Environment;
  readonly #timeoutMs: number;
  readonly #attestationTimeoutMs: number;
  readonly #secrets = new Map<string, Promise<Uint8Array>>();

  constructor({ dir, env = process.env, timeoutMs = 10_000, attestationTimeoutMs = 60_000 }: TpmOptions) {
    this.#files = new AliasFiles({ dir, kind: "tpm", maxBytes: 8192 });
    this.#env = env;
    this.#timeoutMs = timeoutMs;
    this.#attestationTimeoutMs = attestationTimeoutMs;
  }

  async generate(alias: string): Promise<PublicKey> {
    const path = this.#files.path(alias);
    if (existsSync(path)) throw keyExists(path); // before the TPM works for seconds
    const secret = randomBytes(32);
    try {
      const { content, publicKey } = await this.#use((tpm) => makeIn(tpm, secret));
      await this.#files.create(alias, content);
      return publicKey;
    } finally {
      secret.fill(0);
    }
  }

  async publicKey(alias: string): Promise<PublicKey> {
    return parseTpmFile(this.#files.read(alias)).publicKey;
  }

  async sign(alias: string, message: Signable): Promise<Uint8Array> {
    const file = parseTpmFile(this.#files.read(alias));
    const misfit = () =>
      new TpmTrouble("key_mismatch", `it signs, but not with the key of ${file.publicKey.deviceId}`, {
        fix: "See that AMESH_TPM names the TPM that made the key. If it does, the TPM or what stands before it is faulty.",
      });
    return this.#use((tpm) =>
      tpm.holdingWrapped(file.key, (handle) => signBy(tpm, handle, file, message, misfit)),
    );
  }

  async sealingSecret(alias: string): Promise<Uint8Array> {
    return Uint8Array.from(await this.#unseal(alias));
  }

  async delete(alias: string): Promise<void> {
    this.#files.delete(alias);
    this.#secrets.clear();
  }

  remember(alias: string, bytes: Uint8Array): Promise<void> {
    return this.#files.remember(alias, bytes, () => this.#unseal(alias));
  }

  async recall(alias: string): Promise<Uint8Array | undefined> {
    return this.#files.recall(alias, await this.#unseal(alias));
  }

  describe(): Promise<string> {
    return this.#use(describeTpm);
  }

  attestation(alias: string): KeyAttestation {
    const prove = (work: (tpm: Tpm, key: WrappedObject) => Promise<string>) => {
      const { key } = parseTpmFile(this.#files.read(alias));
      return this.#use((tpm) => work(tpm, key), this.#attestationTimeoutMs);
    };
    return {
      claim: async () => prove((await proving()).claimText),
      answer: async (text) => prove((await proving()).answerTo(text)),
    };
  }

  /** Kept under the wrapped secret itself, so that another file under the same alias has another secret. */
  async #unseal(alias: string): Promise<Uint8Array> {
    const { secret } = parseTpmFile(this.#files.read(alias));
    return shareFlight(this.#secrets, Buffer.from(secret.private).toString("base64url"), () =>
      this.#use(async (tpm) => {
        const bytes = await tpm.holdingWrapped(secret, (handle) => tpm.execute(unseal(handle)));
        if (bytes.length !== 32) throw notATpm(`it unseals ${bytes.length} bytes instead of 32`);
        return bytes;
      }),
    );
  }

  async #use<T>(work: (tpm: Tpm) => Promise<T>, timeoutMs = this.#timeoutMs): Promise<T> {
    try {
      return await useTpm(tpmAddress(this.#env), timeoutMs, work);
    } catch (error) {
      throw error instanceof TpmTrouble ? error.toAmeshError() : error;
    }
  }
}

/** Loaded by whoever proves something with it: most never do. */
const proving = () => import("../tpm/attestation/proof-texts.js");

/** The key is held to what was asked of the TPM, and tried out, before anybody relies on it. */
function makeIn(tpm: Tpm, secret: Uint8Array): Promise<{ content: string; publicKey: PublicKey }> {
  return tpm.holding(createStorageRoot(), async (root) => {
    const content = writeTpmFile(
      await tpm.execute(create(root, signingKeyTemplate, new Uint8Array())),
      await tpm.execute(create(root, sealedDataTemplate, secret)),
    );
    const file = parseTpmFile(utf8(content));
    const misfit = () => notATpm("it does not sign with the key that it made");
    await tpm.holding(load(root, file.key), (handle) => signBy(tpm, handle, file, signableProbe(), misfit));
    return { content, publicKey: file.publicKey };
  });
}

async function signBy(
  tpm: Tpm,
  handle: number,
  { publicKey }: Pick<TpmFile, "publicKey">,
  message: Signable,
  misfit: () => Error,
): Promise<Uint8Array> {
  const digest = createHash("sha256").update(message).digest();
  return verifiedSignature(publicKey, message, await tpm.execute(sign(handle, digest)), misfit);
}

/** Available is a TPM that makes the storage root key: it answers, knows P-256, and its owner set no password. */
export async function detectTpm(env: Environment, timeoutMs = 10_000): Promise<KeyStoreDetection> {
  try {
    const address = tpmAddress(env);
    await useTpm(address, timeoutMs, (tpm) => tpm.holding(createStorageRoot(), async () => undefined));
    return { available: true, reason: describeAddress(address) };
  } catch (error) {
    return notAvailable(error);
  }
}
