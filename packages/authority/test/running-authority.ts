import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type AuditEvent, PrivateKey, signRequest } from "@authmesh/core";
import { addDevice } from "@authmesh/keystore";
import { createClient } from "@authmesh/sdk";
import { onTestFinished, vi } from "vitest";
import { freePort } from "../../../test/fixtures/free-port.js";
import type { AuthorityOptions } from "../src/authority-options.js";
import { type Authority, createAuthority } from "../src/create-authority.js";
import { type Ended, temporaryFolder } from "./stores.js";

export const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** A rule that lets every device have what the tests ask for. */
export const everything = {
  name: "everything",
  caller: "**",
  subject: "**",
  audience: "**",
  action: "**",
  scope: "**",
  env: "**",
};

export const secret = "0123456789abcdefghijklmnopqrstuvwxyz0123456789";

/** An authority on a free port of loopback, with an audit that keeps everything. */
export class RunningAuthority {
  readonly authority: Authority;
  readonly url: string;
  readonly events: AuditEvent[];

  private constructor(authority: Authority, url: string, events: AuditEvent[]) {
    this.authority = authority;
    this.url = url;
    this.events = events;
  }

  static async start(
    options: Partial<AuthorityOptions> & { readonly rules?: readonly object[] } = {},
    ended: Ended = onTestFinished,
  ): Promise<RunningAuthority> {
    const { rules = [everything], ...others } = options;
    const dir = options.dir ?? temporaryFolder(ended);
    writeRules(dir, rules);
    const port = options.port ?? (await freePort());
    const events: AuditEvent[] = [];
    const authority = await createAuthority({
      dir,
      port,
      logger: silent,
      // Whatever the machine: no key store of its, and nobody's database.
      env: { AMESH_AUTHORITY_SECRET: secret, AUTH_MESH_PASSPHRASE: secret },
      audit: { write: async (batch) => void events.push(...batch) },
      ...others,
    });
    ended(() => authority.close());
    await authority.listen();
    return new RunningAuthority(authority, `http://localhost:${port}`, events);
  }

  /** Starts it again after it was closed: the same folder, the same address. */
  restart(options: Partial<AuthorityOptions> = {}): Promise<RunningAuthority> {
    const { dir } = this.authority.state;
    return RunningAuthority.start({ dir, port: Number(new URL(this.url).port), ...options });
  }

  /** A device that may call, and its client. */
  async device(scopes = {}, options: DeviceOptions = {}): Promise<Device> {
    return this.add(new Device(options), scopes);
  }

  async add(device: Device, scopes = {}): Promise<Device> {
    await this.authority.state.devices.update((draft) => addDevice(draft, device.entry(scopes)));
    return device;
  }

  /** Resolves when the new rules hold. */
  async setRules(rules: readonly object[]): Promise<void> {
    const before = this.events.length;
    writeRules(this.authority.state.dir, rules);
    await vi.waitUntil(
      () => this.events.slice(before).some(({ type }) => type.endsWith("policy.reloaded")),
      5000,
    );
  }
}

function writeRules(dir: string, rules: readonly object[]): void {
  writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: rules }));
}

export interface DeviceOptions {
  readonly session?: boolean;
  readonly scheme?: "http-signature" | "authmesh";
  readonly now?: () => number;
}

/** A machine that calls. */
export class Device {
  readonly key = PrivateKey.generate();
  readonly identity = {
    publicKey: this.key.publicKey,
    sign: async (message: Parameters<PrivateKey["sign"]>[0]) => this.key.sign(message),
  };
  readonly fetch: typeof fetch;

  constructor(options: DeviceOptions = {}) {
    const client = createClient({ identity: this.identity, session: false, ...options });
    this.fetch = client.fetch;
  }

  get id(): string {
    return this.key.publicKey.deviceId;
  }

  entry(scopes = {}) {
    return {
      publicKey: this.key.publicKey,
      friendlyName: "worker",
      role: "controller",
      status: "active",
      addedBy: "manual",
      bound: true,
      scopes,
      now: Math.floor(Date.now() / 1000),
    } as const;
  }

  mint(url: string, request: object): Promise<Response> {
    return this.fetch(`${url}/v1/token`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(request),
    });
  }

  /** Signs a request once, to send it as often as one likes, and where. */
  async signed(
    url: string,
    request: object,
  ): Promise<(to?: string, more?: Record<string, string>) => Promise<Response>> {
    const body = JSON.stringify(request);
    const headers = { "Content-Type": "application/json" };
    const authorization = await signRequest(
      { method: "POST", url: new URL(`${url}/v1/token`), contentType: "application/json", body },
      { key: this.key.publicKey.base64, sign: async (message) => this.key.sign(message) },
    );
    return (to = url, more = {}) =>
      fetch(`${to}/v1/token`, {
        method: "POST",
        headers: { ...headers, ...more, Authorization: authorization },
        body,
      });
  }
}
