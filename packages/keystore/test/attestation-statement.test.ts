import { createECDH, createPrivateKey, type KeyObject, sign } from "node:crypto";
import { concatBytes, PublicKey } from "@authmesh/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createAttestationVerifier } from "../src/attestation.js";
import { endorsementKeyKinds } from "../src/tpm/attestation/endorsement-key.js";
import { readChallenge, writeMessage } from "../src/tpm/attestation/messages.js";
import { qualifiedName } from "../src/tpm/attestation/statement.js";
import { sized, u16, u32 } from "../src/tpm/marshal.js";
import { attestationKeyTemplate, nameOf, signingKeyTemplate } from "../src/tpm/public-area.js";
import { refusalOf } from "./attestation-fixture.js";

/**
 * A program that plays a TPM. It needs no endorsement key to open a credential, since this verifier's random source is
 * none; so it can say what no TPM says.
 */
function newPretender() {
  const keys = { device: newKey(), attestation: newKey(), endorsement: newKey() };
  const area = (beginning: Uint8Array, { x, y }: Key) => concatBytes(beginning, sized(x), sized(y));
  const key = area(signingKeyTemplate.subarray(0, -4), keys.device);
  const attestationKey = area(attestationKeyTemplate.subarray(0, -4), keys.attestation);
  const endorsementKey = area(endorsementKeyKinds["L-2"].beginning, keys.endorsement);
  const { x, y } = keys.device;
  const publicKey = PublicKey.fromBytes(concatBytes(Uint8Array.of(2 + ((y[31] as number) & 1)), x));
  const verifier = createAttestationVerifier({
    roots: [],
    random: (length) => new Uint8Array(length).fill(7),
  });

  const truth = {
    magic: 0xff544347,
    type: 0x8017,
    signer: qualifiedName(nameOf(attestationKey)),
    nonce: new Uint8Array(32).fill(7),
    name: nameOf(key),
    more: new Uint8Array(),
  };
  const write = (said: typeof truth) =>
    concatBytes(
      ...[u32(said.magic), u16(said.type), sized(said.signer), sized(said.nonce)],
      ...[new Uint8Array(17), u32(0x00010002), u32(0x00030004)],
      ...[sized(said.name), sized(said.name), said.more],
    );

  /** What the verifier makes of a statement, be it ever so false, under the signature of the attestation key. */
  const tell = (statement: Uint8Array) => {
    const claim = { key, attestationKey, endorsementKey, certificates: [] };
    const { id } = readChallenge(verifier.challenge(writeMessage(claim), publicKey));
    const signature = sign("sha256", statement, {
      key: keys.attestation.privateKey,
      dsaEncoding: "ieee-p1363",
    });
    const secret = new Uint8Array(32).fill(7);
    return verifier.check(writeMessage({ id, secret, statement, signature }));
  };
  return { truth, tell, say: (lie: Partial<typeof truth>) => tell(write({ ...truth, ...lie })), write };
}

interface Key {
  readonly x: Uint8Array;
  readonly y: Uint8Array;
  readonly privateKey: KeyObject;
}

function newKey(): Key {
  const pair = createECDH("prime256v1");
  const point = pair.generateKeys();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString("base64url");
  const jwk = { kty: "EC", crv: "P-256", x: text(x), y: text(y), d: text(pair.getPrivateKey()) };
  return { x, y, privateKey: createPrivateKey({ key: jwk, format: "jwk" }) };
}

describe("a program that plays a TPM", () => {
  it("gets no further than to a claim that is not proven", () => {
    expect(newPretender().say({})).toMatchObject({ proven: false });
  });

  const pretender = newPretender();
  const another = nameOf(Uint8Array.of(1));
  it.each<[string, Parameters<typeof pretender.say>[0], RegExp]>([
    ["what no TPM generated", { magic: 0xff544348 }, /step "statement": it does not begin/],
    ["a quote", { type: 0x8018 }, /step "statement": it certifies no key/],
    ["something about its creation", { type: 0x801a }, /step "statement"/],
    ["another nonce", { nonce: new Uint8Array(32) }, /step "nonce"/],
    ["a shorter nonce", { nonce: new Uint8Array(31).fill(7) }, /step "nonce"/],
    ["no nonce", { nonce: new Uint8Array() }, /step "nonce"/],
    ["that another key signs", { signer: another }, /step "signer"/],
    ["that a key of another hierarchy signs", { signer: pretender.truth.name }, /step "signer"/],
    ["something of another key", { name: another }, /step "name"/],
    ["something of no key", { name: new Uint8Array() }, /step "name"/],
    ["something that is too long for a name", { name: new Uint8Array(67) }, /step "statement": 67 bytes/],
    ["more than belongs there", { more: Uint8Array.of(0) }, /step "statement": something follows/],
  ])("is refused when it says %s", async (_, lie, words) => {
    expect(await refusalOf(() => pretender.say(lie))).toMatch(words);
  });

  it("is refused or not believed, whatever it says", async () => {
    const whole = pretender.write(pretender.truth);
    const cut = fc.nat(whole.length - 1).map((length) => whole.subarray(0, length));
    const changed = fc
      .tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 }))
      .map(([at, flip]) => whole.map((byte, i) => (i === at ? byte ^ flip : byte)));
    const statements = fc.oneof(cut, changed, fc.uint8Array({ minLength: 1, maxLength: 200 }));
    await fc.assert(
      fc.asyncProperty(statements, async (statement) => {
        const outcome = await refusalOf(() => expect(pretender.tell(statement).proven).toBe(false));
        expect(outcome).toMatch(
          /^no refusal$|step "(statement|nonce|signer|name)"|The answer cannot be read/,
        );
      }),
      { numRuns: 200 },
    );
  });
});
