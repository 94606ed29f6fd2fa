import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { AmeshError, type PublicKey, type Signable, signableProbe, utf8 } from "@authmesh/core";
import type { Environment } from "../folder.js";
import { shareFlight } from "../internal/shared-flight.js";
import type { KeyStore, KeyStoreInfo } from "../key-store.js";
import {
  destroyAll,
  keepSecret,
  makeKeyPair,
  readSecret,
  recall,
  remember,
  sign,
} from "../pkcs11/objects.js";
import { type Pin, resolvePin } from "../pkcs11/pin.js";
import type { Session } from "../pkcs11/session.js";
import { checkAbilities, chooseToken, expectToken, type Token, type TokenName } from "../pkcs11/token.js";
import { examineTokens, useToken } from "../pkcs11/use-token.js";
import type { PromptSecret } from "../secret-source.js";
import { AliasFiles, keyExists } from "./alias-files.js";
import { type Pkcs11File, parsePkcs11File, writePkcs11File } from "./pkcs11-file.js";

/** Where a key is to be made. */
export interface Pkcs11Place {
  /** The absolute path of the token's module: "/usr/lib/softhsm/libsofthsm2.so". */
  readonly module: string;
  /** The token's label or serial number. Default: the only token that is there. */
  readonly token?: string | undefined;
}

export interface Pkcs11Options {
  /** The folder of the key files; it exists. */
  readonly dir: string;
  /** Needed to make a key; where a key is its file tells. */
  readonly place?: Pkcs11Place | undefined;
  /** `AMESH_PIN` or `AMESH_PIN_FILE` give the PIN. Default `process.env`. */
  readonly env?: Environment | undefined;
  /** Asks a person for the PIN, where neither is set. */
  readonly promptSecret?: PromptSecret | undefined;
  /** How long one use may take, waiting for other uses included, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

export const pkcs11Info: KeyStoreInfo = {
  name: "pkcs11",
  label: "PKCS#11 token",
  protection:
    "The key was made in the token and never leaves it; nor do the allow list's sealing secret and its last generation leave it without the PIN. Whoever has this folder needs the token and the PIN too; whoever has all of them can sign, but not take the key along.",
};

/**
 * Keys in tokens that have a PKCS#11 module (docs/protocol.md, section 11): smart cards, USB tokens, network HSMs,
 * SoftHSM. A file `ALIAS.pkcs11` says where each is. One session with a token stays open for the process; the
 * sealing secret, once read, stays in its memory.
 */
export class Pkcs11KeyStore implements KeyStore {
  readonly info = pkcs11Info;
  readonly #options: Pkcs11Options & { readonly env: Environment; readonly timeoutMs: number };
  readonly #files: AliasFiles;
  readonly #secrets = new Map<string, Promise<Uint8Array>>();
  readonly #pins = new Map<string, Promise<Pin>>();

  constructor({ env = process.env, timeoutMs = 10_000, ...options }: Pkcs11Options) {
    this.#options = { ...options, env, timeoutMs };
    this.#files = new AliasFiles({ dir: options.dir, kind: "pkcs11", maxBytes: 8192 });
  }

  async generate(alias: string): Promise<PublicKey> {
    const path = this.#files.path(alias);
    if (existsSync(path)) throw keyExists(path); // before the token makes a key for nothing
    const { module, token: wanted } = placeOf(this.#options.place);
    const { timeoutMs } = this.#options;
    const token = await examineTokens({ module, timeoutMs }, (tokens) => chooseToken(tokens, wanted));
    return this.#use({ module, token }, async (session) => {
      const id = randomBytes(16);
      try {
        const publicKey = await makeOn(session, id);
        const content = writePkcs11File({ publicKey, module, token, id });
        parsePkcs11File(utf8(content)); // what cannot be read back must not be written
        await this.#files.create(alias, content);
        return publicKey;
      } catch (error) {
        discard(session, id);
        throw error;
      }
    });
  }

  async publicKey(alias: string): Promise<PublicKey> {
    return this.#file(alias).publicKey;
  }

  async sign(alias: string, message: Signable): Promise<Uint8Array> {
    const file = this.#file(alias);
    return this.#use(file, (session) => sign(session, file, message));
  }

  async sealingSecret(alias: string): Promise<Uint8Array> {
    const file = this.#file(alias);
    const secret = shareFlight(this.#secrets, file.id.toString("hex"), () =>
      this.#use(file, async (session) => readSecret(session, file.id)),
    );
    return Uint8Array.from(await secret);
  }

  /** The objects first: a file without objects is `key_not_found` and can be deleted, objects without a file cannot. */
  async delete(alias: string): Promise<void> {
    const file = this.#file(alias);
    await this.#token(file); // one that was pulled out may seem empty
    await this.#use(file, async (session) => destroyAll(session, file.id));
    this.#files.delete(alias);
    this.#secrets.clear();
  }

  async remember(alias: string, bytes: Uint8Array): Promise<void> {
    if (bytes.length > 64) throw new TypeError("A key store remembers at most 64 bytes.");
    const file = this.#file(alias);
    await this.#use(file, async (session) => remember(session, file.id, bytes));
  }

  async recall(alias: string): Promise<Uint8Array | undefined> {
    const file = this.#file(alias);
    return this.#use(file, async (session) => recall(session, file.id));
  }

  async describe(alias: string): Promise<string> {
    return (await this.#token(this.#file(alias))).hardware;
  }

  /** The token of a key, as it is in its slot now. */
  #token({ module, token }: Pkcs11File): Promise<Token> {
    const { timeoutMs } = this.#options;
    return examineTokens({ module, timeoutMs }, (tokens) => expectToken(tokens, token));
  }

  #file(alias: string): Pkcs11File {
    return parsePkcs11File(this.#files.read(alias));
  }

  #use<T>(
    { module, token }: { readonly module: string; readonly token: TokenName },
    work: (session: Session) => Promise<T>,
  ): Promise<T> {
    const { timeoutMs } = this.#options;
    return useToken({ module, token, timeoutMs, pin: () => this.#pin(token.label) }, work);
  }

  /** Several that ask at once get one answer; it is not kept. */
  #pin(label: string): Promise<Pin> {
    return shareFlight(this.#pins, label, () => resolvePin(label, this.#options)).finally(() =>
      this.#pins.delete(label),
    );
  }
}

/** A failure must not hide why this is done; what stays on the token is of no use to anybody. */
function discard(session: Session, id: Buffer): void {
  try {
    destroyAll(session, id);
  } catch {
    // The token is gone, or holds on to what it has.
  }
}

/** The key pair is tried out before anybody relies on it. */
async function makeOn(session: Session, id: Buffer): Promise<PublicKey> {
  const secret = randomBytes(32);
  const publicKey = await makeKeyPair(session, id);
  keepSecret(session, id, secret);
  secret.fill(0);
  await sign(session, { id, publicKey }, signableProbe());
  return publicKey;
}

/** Available is a token that makes keys and knows ECDSA; its PIN is not asked for. */
export async function detectPkcs11(
  place: Pkcs11Place | undefined,
  timeoutMs = 10_000,
): Promise<{ readonly available: true; readonly reason: string }> {
  const { module, token: wanted } = placeOf(place);
  const { hardware } = await examineTokens({ module, timeoutMs }, (tokens, { api }): Token => {
    const token = chooseToken(tokens, wanted);
    checkAbilities(api, token);
    return token;
  });
  return { available: true, reason: hardware };
}

/** @throws AmeshError `invalid_option` */
function placeOf(place: Pkcs11Place | undefined): Pkcs11Place {
  if (place !== undefined) return place;
  throw new AmeshError("invalid_option", "The key store pkcs11 needs the path of its token's module.", {
    fix: "Add --module /PATH/OF/MODULE.so, and --token LABEL where there are several tokens.",
  });
}
