import { randomBytes } from "node:crypto";
import { fromBase64Url, type Scopes, signableChallenge, toBase64Url } from "@authmesh/core";
import {
  accountSecretKey,
  type ChallengePurpose,
  type EnrollmentRequest,
  signableClaimOf,
  signableRequestOf,
} from "@authmesh/core/enrollment";
import { expect } from "vitest";
import type { AuthorityState } from "../../src/open-state.js";
import { Device, type DeviceOptions } from "../running-authority.js";

export interface Wish {
  readonly scopes?: Scopes;
  readonly lifetime?: number;
  readonly appName?: string;
  readonly deviceName?: string;
}

let drawn = 0;

/** Where an account is opened: a running authority, or the state of one that will be. */
export interface AccountHome {
  readonly url: string;
  readonly authority: { readonly state: Pick<AuthorityState, "enrollments"> };
}

/** An account of a running authority, with its master device. */
export class Account {
  readonly running: AccountHome;
  readonly name: string;
  readonly master: Device;

  private constructor(running: AccountHome, name: string, master: Device) {
    this.running = running;
    this.name = name;
    this.master = master;
  }

  static async open(running: AccountHome, name = `@acme-${drawn++}`): Promise<Account> {
    const { enrollments } = running.authority.state;
    const created = await enrollments.createAccount(name);
    const master = new Device();
    const claim = {
      origin: running.url,
      account: name,
      challenge: "x".repeat(64),
      details: { appName: "admin", deviceName: "laptop", recovery: [] },
    };
    const { publicKey } = master.key;
    const signed = signableClaimOf("onboard", { ...claim, publicKey: publicKey.bytes });
    const signature = accountSecretKey(created?.secret ?? "", name).sign(signed);
    await enrollments.onboard({ ...claim, publicKey, address: "192.0.2.1" }, signature);
    return new Account(running, name, master);
  }

  get url(): string {
    return `${this.running.url}/v1/enrollments`;
  }

  askPasscode(by = this.master): Promise<Response> {
    return post(by.fetch, `${this.running.url}/v1/passcodes`);
  }

  async passcode(by = this.master): Promise<string> {
    const answer = await this.askPasscode(by);
    expect(answer.status).toBe(201);
    return (await answer.json()).passcode;
  }

  /** What a device asks for, with whatever of it is to be otherwise. */
  request(device: Device, { scopes = { orders: "rw" }, ...wish }: Wish = {}): EnrollmentRequest {
    return {
      account: this.name,
      appName: "orders",
      deviceName: `box-${drawn++}`,
      ...wish,
      publicKey: device.key.publicKey.base64,
      scopes,
      origin: this.running.url,
      issuedAt: Math.floor(Date.now() / 1000),
      random: toBase64Url(randomBytes(16)),
    };
  }

  /** Sends a request, signed by the device's key. */
  send(device: Device, request: EnrollmentRequest, passcode: string): Promise<Response> {
    const signature = toBase64Url(device.key.sign(signableRequestOf(request)));
    return post(fetch, this.url, { request, signature, passcode });
  }

  /** A device that asked to be enrolled, and nobody has decided. */
  async pending(wish: Wish = {}, options: DeviceOptions = {}): Promise<Enrolled> {
    const device = new Device(options);
    const answer = await this.send(device, this.request(device, wish), await this.passcode());
    expect(answer.status).toBe(202);
    return { device, id: (await answer.json()).id };
  }

  /** A device that may call. */
  async enrolled(wish: Wish = {}, options: DeviceOptions = {}): Promise<Enrolled> {
    const pending = await this.pending(wish, options);
    expect((await this.decide(pending.id, "approve")).status).toBe(200);
    return pending;
  }

  decide(id: string, type: string, body: object = {}, by = this.master): Promise<Response> {
    return post(by.fetch, `${this.url}/${id}/${type}`, body);
  }

  async show(id: string, by = this.master) {
    return (await by.fetch(`${this.url}/${id}`)).json();
  }

  /** An answer to a fresh challenge. */
  async answer(device: Device, purpose: ChallengePurpose, counter: number) {
    const asked = await post(fetch, `${this.running.url}/v1/challenges`, { purpose, device: device.id });
    const { challenge } = await asked.json();
    const signed = { origin: this.running.url, purpose, deviceId: device.id, challenge, counter };
    const signature = toBase64Url(device.key.sign(signableChallenge(signed)));
    expect(fromBase64Url(challenge)).toHaveLength(48);
    return { device: device.id, challenge, counter, signature };
  }
}

export interface Enrolled {
  readonly device: Device;
  readonly id: string;
}

export const post = (by: typeof fetch, url: string, body: object = {}): Promise<Response> =>
  by(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });

/** Status and code of a refusal. */
export async function refusal(answering: Promise<Response>): Promise<[status: number, error: string]> {
  const answer = await answering;
  return [answer.status, (await answer.json()).error];
}
