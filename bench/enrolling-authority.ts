import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Authority, type AuthorityOptions, createAuthority } from "@authmesh/authority";
import { PrivateKey, randomBytes, type Scopes, toBase64Url } from "@authmesh/core";
import { accountSecretKey, type EnrollmentRequest, signableClaimOf } from "@authmesh/core/enrollment";
import { createClient } from "@authmesh/sdk";
import { freePort } from "../test/fixtures/free-port.js";

export const account = "@bench";
const secret = "0123456789abcdefghijklmnopqrstuvwxyz0123456789";
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const from = { address: "192.0.2.7", attestation: { status: "none" } } as const;

/** A folder that goes with this process. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "amesh-bench-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** How every authority here is run: on loopback, with room for all who call from there. */
export const optionsIn = (dir: string, port: number, env: Record<string, string> = {}): AuthorityOptions => ({
  dir,
  port,
  env: { AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret, ...env },
  limits: { caller: 10_000_000, address: 10_000_000 },
  logger: silent,
});

/** An authority with accounts, each with a master enrollment that admits and decides. */
export class EnrollingAuthority {
  readonly authority: Authority;
  readonly #masters = new Map<string, { readonly id: string; readonly key: PrivateKey }>();

  private constructor(authority: Authority) {
    this.authority = authority;
  }

  static async start(options: AuthorityOptions): Promise<EnrollingAuthority> {
    const authority = await createAuthority(options);
    await authority.listen();
    return new EnrollingAuthority(authority);
  }

  static async startOnFreePort(env: Record<string, string> = {}): Promise<EnrollingAuthority> {
    return EnrollingAuthority.start(optionsIn(temporaryFolder(), await freePort(), env));
  }

  get url(): string {
    return this.authority.issuer;
  }

  get enrollments() {
    return this.authority.state.enrollments;
  }

  async open(name = account): Promise<void> {
    const created = await this.enrollments.createAccount(name);
    if (created === undefined) throw new Error(`${name} is taken.`);
    const key = PrivateKey.generate();
    const claim = {
      origin: this.url,
      account: name,
      challenge: "c".repeat(64),
      details: { appName: "admin", deviceName: "master", recovery: [] },
    };
    const signed = signableClaimOf("onboard", { ...claim, publicKey: key.publicKey.bytes });
    const signature = accountSecretKey(created.secret, name).sign(signed);
    const { id } = await this.enrollments.onboard(
      { ...claim, publicKey: key.publicKey, address: from.address },
      signature,
    );
    this.#masters.set(name, { id, key });
  }

  /** The master of an account as one who acts. */
  master(name = account) {
    const { id } = this.#masterOf(name);
    return { account: name, id };
  }

  /** What signs as the master. */
  fetchOf(name = account): typeof fetch {
    const { key } = this.#masterOf(name);
    return clientOf(key).fetch;
  }

  /** An invitation for so many requests. */
  async invite(uses: number, autoApprove: boolean, name = account): Promise<string> {
    const terms = { scopes: { "*": "rw" }, uses, lifetime: 86_400, autoApprove } as const;
    return (await this.enrollments.createInvitation(this.master(name), terms)).secret;
  }

  async request(publicKey: string, invitation: string, name = account, scopes: Scopes = { orders: "rw" }) {
    return this.enrollments.request(newRequest(this.url, name, publicKey, scopes), invitation, from);
  }

  #masterOf(name: string) {
    const master = this.#masters.get(name);
    if (master === undefined) throw new Error(`There is no account ${name}.`);
    return master;
  }
}

/** A client that signs each request with the key itself. */
export const clientOf = (key: PrivateKey) =>
  createClient({
    identity: { publicKey: key.publicKey, sign: async (message) => key.sign(message) },
    session: false,
  });

let drawn = 0;

const newRequest = (origin: string, name: string, publicKey: string, scopes: Scopes): EnrollmentRequest => ({
  account: name,
  appName: "orders",
  deviceName: `box-${drawn++}`,
  publicKey,
  scopes,
  origin,
  issuedAt: Math.floor(Date.now() / 1000),
  random: toBase64Url(randomBytes(16)),
});
