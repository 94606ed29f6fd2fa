/** A device that calls, and the identity of a server that trusts it. */
import { join } from "node:path";
import { PrivateKey, signRequest } from "@authmesh/core";
import { addDevice, createIdentity, openIdentity } from "@authmesh/keystore";
import { temporaryFolder } from "./enrolling-authority.js";

export class TrustedCaller {
  /** Folder of the server's identity. */
  readonly identity = join(temporaryFolder(), "identity");
  /** What a process needs that opens it. */
  readonly env = { AUTH_MESH_PASSPHRASE: "of the benches" };
  readonly #key = PrivateKey.generate();

  static async create(): Promise<TrustedCaller> {
    const caller = new TrustedCaller();
    await caller.#trust();
    return caller;
  }

  /** The public one, in base64. */
  get key(): string {
    return this.#key.publicKey.base64;
  }

  /** So many values of Authorization, each good for one request to this URL. */
  async proofs(method: string, url: URL, body: string, count: number): Promise<string[]> {
    const signer = {
      key: this.key,
      sign: async (message: Parameters<PrivateKey["sign"]>[0]) => this.#key.sign(message),
    };
    const request = { method, url, ...(body === "" ? {} : { body }) };
    const proofs: string[] = [];
    for (let i = 0; i < count; i++) proofs.push(await signRequest(request, signer));
    return proofs;
  }

  async #trust(): Promise<void> {
    const { identity: dir, env } = this;
    const argon2 = { memoryKiB: 19 * 1024, passes: 1, lanes: 1 };
    await createIdentity({ dir, env, friendlyName: "server", argon2 });
    const list = await (await openIdentity({ dir, env })).openAllowList();
    await list.update((draft) =>
      addDevice(draft, {
        publicKey: this.#key.publicKey,
        friendlyName: "till 1",
        role: "controller",
        status: "active",
        addedBy: "manual",
        bound: true,
        scopes: { orders: "rw" },
        acceptRevoked: true,
        now: Math.floor(Date.now() / 1000),
      }),
    );
  }
}
