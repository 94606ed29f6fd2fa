import { createHash } from "node:crypto";
import { crypto } from "#crypto";
import { utf8 } from "../src/encoding.js";
import type {
  Decision,
  Failure,
  IncomingRequest,
  Role,
  Sign,
  TrustedDevice,
  TrustStore,
} from "../src/index.js";
import {
  AmeshError,
  createVerifier,
  InMemoryNonceStore,
  PublicKey,
  type RequestSigner,
  signMessage,
  signRequest,
  type VerifierOptions,
} from "../src/index.js";

/** Unix seconds at which everything here happens. */
export const noon = 1_743_160_800;

/** A device with a real key: 32 bytes of one value. */
export class Device {
  readonly privateKey: Uint8Array;
  readonly publicKey: PublicKey;
  readonly sign: Sign = async (message) => signMessage(this.privateKey, message);

  constructor(seed: number) {
    this.privateKey = new Uint8Array(32).fill(seed);
    this.publicKey = PublicKey.fromBytes(crypto.publicKeyOf(this.privateKey));
  }

  entry(changes: Partial<TrustedDevice> = {}): TrustedDevice {
    return {
      deviceId: this.publicKey.deviceId,
      publicKey: this.publicKey,
      friendlyName: "Dev Laptop",
      role: "controller",
      status: "active",
      bound: true,
      scopes: {},
      ...changes,
    };
  }
}

export const laptop = new Device(1);
export const stranger = new Device(2);

/** A trust store whose content a test may change while a verification runs. */
export class DevicesInMemory implements TrustStore {
  problem: Failure | undefined;
  audience: readonly string[] = [];
  readonly revoked = new Set<string>();
  entries: TrustedDevice[];

  constructor(...entries: TrustedDevice[]) {
    this.entries = entries;
  }

  check(): Failure | undefined {
    return this.problem;
  }

  find(key: string, role: Role): TrustedDevice | undefined {
    return this.#active(role).find((entry) => entry.publicKey.base64 === key);
  }

  findById(deviceId: string, role: Role): TrustedDevice | undefined {
    return this.#active(role).find((entry) => entry.deviceId === deviceId);
  }

  #active(role: Role): readonly TrustedDevice[] {
    return this.entries.filter((entry) => entry.role === role && entry.status === "active");
  }

  isRevoked(deviceId: string): boolean {
    return this.revoked.has(deviceId);
  }

  onChange(): () => void {
    return () => {};
  }
}

/** A request as bytes on a wire would have it: plain data, to be changed on the way. */
export interface Wire {
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, readonly string[]>>;
  /** Absent when the transport says that none follows. */
  readonly body?: Uint8Array | undefined;
  /** How the body fails to come, if it does. */
  readonly bodyFails?: AmeshError | undefined;
  /** Holds the body back. */
  readonly bodyAfter?: Promise<void> | undefined;
}

export interface Call {
  /** Whose key signs. Default: the laptop's. */
  readonly device?: Pick<RequestSigner, "sign"> & { readonly publicKey: PublicKey };
  readonly method?: string;
  readonly url?: string;
  readonly body?: string | undefined;
  readonly contentType?: string | undefined;
  readonly contentEncoding?: string | undefined;
  /** Unix seconds on the caller's clock. */
  readonly at?: number;
  readonly random?: (length: number) => Uint8Array;
}

/** What the caller's machine puts on the wire. */
export async function send(call: Call = {}): Promise<Wire> {
  const { device = laptop, method = "POST", at = noon } = call;
  const random = call.random === undefined ? {} : { random: call.random };
  const url = new URL(call.url ?? "https://api.example.com/api/orders?b=2&a=1");
  const body = "body" in call ? call.body : '{"amount":100}';
  const contentType = "contentType" in call ? call.contentType : body && "application/json";
  const authorization = await signRequest(
    { method, url, body, contentType, contentEncoding: call.contentEncoding },
    { key: device.publicKey.base64, sign: device.sign, now: () => at * 1000 + 999, ...random },
  );
  return {
    method,
    target: url.pathname + url.search,
    headers: {
      host: [url.host],
      authorization: [authorization],
      ...(contentType ? { "content-type": [contentType] } : {}),
      ...(call.contentEncoding ? { "content-encoding": [call.contentEncoding] } : {}),
      ...(body ? { "content-length": [String(utf8(body).length)] } : {}),
    },
    body: body ? utf8(body) : undefined,
  };
}

export const withHeaders = (wire: Wire, headers: Readonly<Record<string, readonly string[]>>): Wire => ({
  ...wire,
  headers: { ...wire.headers, ...headers },
});

export function receive(wire: Wire): IncomingRequest {
  return {
    method: wire.method,
    target: wire.target,
    headers: (name) => wire.headers[name] ?? [],
    hasBody: wire.body !== undefined,
    async bodyHash({ maxBytes }, algorithm = "sha256") {
      await wire.bodyAfter;
      if (wire.bodyFails !== undefined) throw wire.bodyFails;
      const body = wire.body as Uint8Array;
      if (body.length > maxBytes) throw new AmeshError("payload_too_large");
      return createHash(algorithm).update(body).digest("hex");
    },
  };
}

/** A verifier at noon that trusts the laptop and answers to api.example.com, unless told otherwise. */
export function verifierWith(options: Partial<VerifierOptions> = {}): (wire: Wire) => Promise<Decision> {
  const verify = createVerifier({
    trust: new DevicesInMemory(laptop.entry()),
    nonces: new InMemoryNonceStore(),
    audience: "api.example.com",
    now: () => noon * 1000,
    ...options,
  });
  return (wire) => verify(receive(wire));
}

/** "allowed", or the code of the refusal. */
export const outcome = (decision: Decision): string => (decision.allowed ? "allowed" : decision.failure.code);
