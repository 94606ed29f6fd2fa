import { toBase64, utf8 } from "../src/encoding.js";
import { mustCover } from "../src/http-signature/profile.js";
import {
  type HttpMessage,
  readComponent,
  signatureParameters,
} from "../src/http-signature/signature-base.js";
import { contentDigest, type SignableRequest } from "../src/index.js";
import { signableHttpMessage } from "../src/signable.js";
import { type Device, laptop, noon, type Wire } from "./verification-fixture.js";

export interface SignedCall {
  readonly device?: Pick<Device, "publicKey"> & { sign(message: SignableRequest): Promise<Uint8Array> };
  readonly method?: string;
  readonly target?: string;
  /** As the signature covers it. */
  readonly authority?: string;
  readonly body?: string | undefined;
  /** In place of, or beside, those of an ordinary request. An undefined one is left out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Changes what is covered by default. */
  readonly cover?: (names: readonly string[]) => readonly string[];
  /** Changes parameters; an undefined one is left out. */
  readonly parameters?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly label?: string;
}

let nonces = 0;

/** A request with an HTTP signature, made of single parts, so that each of them can be wrong. */
export async function sendSigned(call: SignedCall = {}): Promise<Wire> {
  const { device = laptop, method = "POST", target = "/api/orders?b=2&a=1", label = "sig" } = call;
  const authority = call.authority ?? "api.example.com";
  const body = "body" in call ? call.body : '{"amount":100}';
  const given: Readonly<Record<string, string | undefined>> = {
    host: "api.example.com",
    ...(body === undefined
      ? {}
      : {
          "content-type": "application/json",
          "content-length": String(utf8(body).length),
          "content-digest": contentDigest(body),
        }),
    ...call.headers,
  };
  const sent = Object.entries(given).filter(([, value]) => value !== undefined) as [string, string][];
  const fields = Object.fromEntries(sent.map(([name, value]) => [name, [value]]));
  const message: HttpMessage = { method, target, authority, headers: (name) => fields[name] ?? [] };
  const { cover = (names) => names } = call;
  const names = cover(mustCover({ target, hasBody: body !== undefined, headers: message.headers }));
  const parameters = Object.entries({
    created: noon,
    expires: noon + 60,
    nonce: `nonce-number-${nonces++}`.padEnd(22, "0"),
    keyid: device.publicKey.deviceId,
    alg: "ecdsa-p256-sha256",
    tag: "amesh",
    ...call.parameters,
  }).filter(([, value]) => value !== undefined) as [string, string | number | boolean][];
  const input = {
    components: names.map((name) => readComponent(name)),
    parameters: new Map(parameters),
  };
  const signature = await device.sign(signableHttpMessage(message, input));
  return {
    method,
    target,
    headers: {
      ...fields,
      "signature-input": [`${label}=${signatureParameters(input)}`],
      signature: [`${label}=:${toBase64(signature)}:`],
    },
    body: body === undefined ? undefined : utf8(body),
  };
}
