import { type Cryptoki, type Handle, mechanism, sessionFlag, type Template } from "./cryptoki.js";
import { returnCode } from "./return-codes.js";

/** No template that is used here fits more objects, unless somebody made some up. */
const maxFound = 16;

/** A session with a token. It takes one operation at a time, so whoever uses it has the turn. */
export class Session {
  readonly #api: Cryptoki;
  readonly #handle: Handle;
  /** Signing keys that were found and checked, by their ids: a token may be slow to look for one. */
  readonly keys = new Map<string, Handle>();

  private constructor(api: Cryptoki, handle: Handle) {
    this.#api = api;
    this.#handle = handle;
  }

  /** @param logIn given the new session; when it fails the session is closed */
  static open(api: Cryptoki, slot: Handle, logIn: (session: Handle) => void): Session {
    const handle = api.C_OpenSession(slot, sessionFlag.serial | sessionFlag.readWrite);
    const session = new Session(api, handle);
    try {
      logIn(handle);
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** Of a token that is gone the session is closed already. */
  close(): void {
    try {
      this.#api.C_CloseSession(this.#handle);
    } catch {
      // There is nothing left to close.
    }
  }

  find(template: Template): readonly Handle[] {
    this.#api.C_FindObjectsInit(this.#handle, template);
    try {
      return this.#api.C_FindObjects(this.#handle, maxFound);
    } finally {
      this.#api.C_FindObjectsFinal(this.#handle);
    }
  }

  /** Undefined for what the token does not know. */
  read(object: Handle, type: number): Buffer | undefined {
    try {
      return this.#api.C_GetAttributeValue(this.#handle, object, [{ type }])[0]?.value;
    } catch (error) {
      if (returnCode(error) === "CKR_ATTRIBUTE_TYPE_INVALID") return undefined;
      throw error;
    }
  }

  create(template: Template): void {
    this.#api.C_CreateObject(this.#handle, template);
  }

  destroy(object: Handle): void {
    this.#api.C_DestroyObject(this.#handle, object);
  }

  /** @returns the public key's object */
  async generateKeyPair(publicKey: Template, privateKey: Template): Promise<Handle> {
    const generation = { mechanism: mechanism.ecKeyPairGeneration };
    return (await this.#api.C_GenerateKeyPairAsync(this.#handle, generation, publicKey, privateKey))
      .publicKey;
  }

  /** Signs 32 bytes, which are wiped then. */
  async sign(key: Handle, digest: Buffer): Promise<Buffer> {
    this.#api.C_SignInit(this.#handle, { mechanism: mechanism.ecdsa }, key);
    const signature = await this.#api.C_SignAsync(this.#handle, digest, Buffer.alloc(64));
    digest.fill(0); // also keeps it from being collected while the other thread reads it
    return signature;
  }
}
