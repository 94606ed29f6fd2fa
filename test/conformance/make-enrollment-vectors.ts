import { createHmac, createPrivateKey, createPublicKey, hkdfSync, sign } from "node:crypto";
import { makeSignature, privateKeys, publicKeys, sha256 } from "./make-vectors.js";
import { noon } from "./request-cases.js";

/**
 * vectors/enrollment-1.json, made as request-1.json is: nothing in it comes from our packages.
 * `npx vitest run --project whole test/conformance/enrollment.test.ts -u` writes it.
 */
export type EnrollmentVectors = ReturnType<typeof makeEnrollmentVectors>;

const [deviceKey, signerKey, otherKey] = privateKeys as [Buffer, Buffer, Buffer];
const [devicePublic, signerPublic, otherPublic] = publicKeys as [Buffer, Buffer, Buffer];
const idOf = (publicKey: Uint8Array) => `am_${sha256(publicKey).toString("base64url").slice(0, 16)}`;
const origin = "https://issuer.example.com";
const account = "@acme";
const text64 = (content: string | Uint8Array) => Buffer.from(content).toString("base64url");

/** RFC 8785 for what these vectors hold: ASCII, integers. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(",")}}`;
}

function edKey(seed: Uint8Array) {
  const head = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = createPrivateKey({ key: Buffer.concat([head, seed]), format: "der", type: "pkcs8" });
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  const kid = sha256(canonical({ crv: "Ed25519", kty: "OKP", x })).toString("base64url");
  return { x, kid, sign: (text: string) => sign(null, Buffer.from(text), key).toString("base64url") };
}

const jws = (header: object, payload: object, signer: (input: string) => string) => {
  const input = `${text64(canonical(header))}.${text64(canonical(payload))}`;
  return `${input}.${signer(input)}`;
};

export function makeEnrollmentVectors() {
  return {
    about:
      "The amesh protocol, version 1: docs/protocol.md, sections 9 and 10. Private keys, seeds and random bytes are hex, public keys base64.",
    origin,
    device: {
      privateKey: deviceKey.toString("hex"),
      publicKey: devicePublic.toString("base64"),
      deviceId: idOf(devicePublic),
    },
    requests: makeRequests(),
    challenges: makeChallenges(),
    claims: makeClaims(),
    recoveryCodes: makeRecoveryCodes(),
    feed: makeFeed(),
    revocations: makeRevocations(),
  };
}

function makeRequests() {
  const request = {
    account,
    appName: "orders",
    deviceName: "box-1",
    publicKey: devicePublic.toString("base64"),
    scopes: { profile: "r", orders: "rw" },
    lifetime: 2_592_000,
    origin,
    issuedAt: noon,
    random: text64(sha256("amesh vector request").subarray(0, 16)),
  };
  const { lifetime: _, ...endless } = request;
  return [request, endless, { ...endless, scopes: { __manage: "rw", "*": "rw" } }].map((each, i) => {
    const signed = `amesh/enroll/1 request\n${origin}\n${canonical(each)}`;
    const s = sha256(`amesh vector s ${i}`);
    const number =
      sha256("amesh/enroll/1 compare", sha256(canonical(each)), s).readBigUInt64BE(0) % 1_000_000n;
    return {
      request: each,
      canonical: canonical(each),
      signature: makeSignature(signed, deviceKey),
      s: s.toString("hex"),
      code: String(number).padStart(6, "0"),
    };
  });
}

function makeChallenges() {
  const serverKey = sha256("amesh vector challenge key");
  const device = idOf(devicePublic);
  return ["onboard", "recover", "authenticate", "wait", "cancel", "rotate"].map((purpose, i) => {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(noon));
    const random = sha256(`amesh vector challenge ${i}`).subarray(0, 24);
    const mac = createHmac("sha256", serverKey)
      .update(`amesh/challenge/1\n${purpose}\n${device}\n`)
      .update(time)
      .update("\n")
      .update(random)
      .digest();
    const challenge = text64(Buffer.concat([time, random, mac.subarray(0, 16)]));
    const signed = `amesh/challenge/1\n${origin}\n${purpose}\n${device}\n${challenge}\n${i}`;
    return {
      serverKey: serverKey.toString("hex"),
      purpose,
      time: noon,
      answer: { device, challenge, counter: i, signature: makeSignature(signed, deviceKey) },
    };
  });
}

function makeClaims() {
  const bytes = sha256("amesh vector account secret");
  const secret = `amesh_once_${text64(bytes)}`;
  const seed = Buffer.from(hkdfSync("sha256", bytes, account, "amesh/onboard/1", 32));
  const derived = edKey(seed);
  const challenge = text64(Buffer.concat([sha256("claim"), sha256("claim 2").subarray(0, 16)]));
  const details = {
    appName: "ops",
    deviceName: "laptop",
    recovery: [sha256("code 1"), sha256("code 2")].map(text64),
  };
  const after = [origin, account, challenge, text64(devicePublic), text64(sha256(canonical(details)))].join(
    "\n",
  );
  const onboard = `amesh/onboard/1\n${after}`;
  const recover = `amesh/recover/1\n${after}`;
  return {
    account,
    secret,
    derivedKey: derived.x,
    challenge,
    details,
    onboard: { s1: derived.sign(onboard), s2: makeSignature(onboard, deviceKey) },
    recover: { signature: makeSignature(recover, deviceKey) },
  };
}

function makeRecoveryCodes() {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  return [Buffer.alloc(16), Buffer.alloc(16, 255), sha256("amesh vector recovery").subarray(0, 16)].map(
    (bytes) => {
      const bits = [...bytes]
        .map((byte) => byte.toString(2).padStart(8, "0"))
        .join("")
        .padEnd(130, "0");
      const letters = (bits.match(/.{5}/g) ?? []).map((five) => alphabet[Number.parseInt(five, 2)]).join("");
      const code = (letters.match(/.{1,4}/g) ?? []).join("-");
      return { random: bytes.toString("hex"), code, digest: sha256(code).toString("base64url") };
    },
  );
}

function makeFeed() {
  const key = edKey(sha256("amesh vector feed"));
  const stranger = edKey(sha256("amesh vector feed of somebody else"));
  const entry = {
    key: devicePublic.toString("base64"),
    name: "orders/box-1",
    sub: "svc://acme/orders/box-1",
    scopes: { orders: "rw" },
    expiresAt: noon + 86_400,
  };
  const device = idOf(devicePublic);
  const deltas = [
    [["device", device, entry]],
    [
      ["device", device, null],
      ["revoked", device, { at: noon, reason: "stolen" }],
    ],
  ] as const;
  const digests = [sha256(`amesh/feed/1\n${account}\n1`)];
  for (const changes of deltas) digests.push(sha256(digests.at(-1) as Buffer, sha256(canonical(changes))));
  const at = (number: number) => ({ iss: origin, feed: account, epoch: 1, number, iat: noon });
  const head = { ...at(2), kind: "head", digest: text64(digests[2] as Buffer) };
  const state = `${canonical(["revoked", device, { at: noon, reason: "stolen" }])}\n`;
  const statements = [
    head,
    ...deltas.map((changes, i) => ({
      ...at(i + 1),
      kind: "delta",
      before: text64(digests[i] as Buffer),
      changes,
    })),
    {
      ...at(2),
      kind: "snapshot",
      digest: text64(digests[2] as Buffer),
      body: text64(sha256(state)),
      entries: 1,
    },
  ];
  const header = { typ: "amesh-feed+jwt", alg: "EdDSA", kid: key.kid };
  const bad: readonly (readonly [string, string])[] = [
    ["of another typ", jws({ ...header, typ: "om+jwt" }, head, key.sign)],
    ["signed by another key", jws(header, head, stranger.sign)],
    ["with alg none", jws({ ...header, alg: "none" }, head, () => "")],
    ["with a member more", jws(header, { ...head, until: noon }, key.sign)],
    ["without a digest", jws(header, { ...head, digest: undefined }, key.sign)],
    ["with a digest of 31 bytes", jws(header, { ...head, digest: text64(Buffer.alloc(31)) }, key.sign)],
    ["of epoch 0", jws(header, { ...head, epoch: 0 }, key.sign)],
    ["of no kind", jws(header, { ...head, kind: "rotation" }, key.sign)],
    ["with an empty delta", jws(header, { ...statements[1], changes: [] }, key.sign)],
    ["of a feed that has no such name", jws(header, { ...head, feed: "@Acme" }, key.sign)],
  ];
  return {
    name: account,
    epoch: 1,
    key: { x: key.x, kid: key.kid },
    deltas,
    digests: digests.map((digest) => digest.toString("base64url")),
    tokenIds: [
      ["sub", "svc://acme/orders/box-1"],
      ["tenant", "@acme"],
    ].map(([by = "", value = ""]) => ({ by, value, id: `${by}:${text64(sha256(value))}` })),
    snapshot: state,
    statements: [
      ...statements.map((each) => ({
        name: `${each.kind} ${each.number}`,
        jws: jws(header, each, key.sign),
        expected: "accepted",
      })),
      ...bad.map(([name, text]) => ({ name, jws: text, expected: "refused" })),
    ],
  };
}

/** Statements by which the second key revokes the first (section 9.5), by themselves: who is believed is another matter. */
function makeRevocations() {
  const iss = idOf(signerPublic);
  const payload = {
    iss,
    key: signerPublic.toString("base64"),
    seq: noon * 1000,
    iat: noon,
    action: "revoke",
    device: idOf(devicePublic),
  };
  const header = { typ: "amesh-revocation+jwt", alg: "ES256", kid: iss };
  const by = (key: Buffer) => (input: string) => makeSignature(input, key);
  const made = (change: object, other: object = {}, key = signerKey) =>
    jws({ ...header, ...other }, { ...payload, ...change }, by(key));
  const ofOther = { iss: idOf(otherPublic), key: otherPublic.toString("base64") };
  const cases: readonly (readonly [string, string, boolean])[] = [
    ["a revocation", made({}), true],
    ["a revocation with a reason", made({ reason: "stolen" }), true],
    ["one that is taken back", made({ action: "unrevoke", seq: noon * 1000 + 1 }), true],
    ["number 0", made({ seq: 0 }), false],
    ["another action", made({ action: "delete" }), false],
    ["a device that is none", made({ device: "*" }), false],
    ["a member more", made({ exp: noon }), false],
    ["no number", made({ seq: undefined }), false],
    ["a foreign typ", made({}, { typ: "amesh-succession+jwt" }), false],
    ["the kid of another device", made({}, { kid: ofOther.iss }), false],
    ["key and iss of another device", made(ofOther, { kid: ofOther.iss }), false],
    ["another signer", made({}, {}, otherKey), false],
  ];
  return cases.map(([name, statement, good]) => ({
    name,
    jws: statement,
    expected: good ? "accepted" : "refused",
  }));
}
