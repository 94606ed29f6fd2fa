import { readFileSync } from "node:fs";
import { concatBytes, PrivateKey, toBase64Url } from "@authmesh/core";
import { describe, expect, it, onTestFinished } from "vitest";
import { type AttestationVerifierOptions, createAttestationVerifier } from "../src/attestation.js";
import { endorsementKeyKinds } from "../src/tpm/attestation/endorsement-key.js";
import {
  type Answer,
  type Claim,
  readAnswer,
  readChallenge,
  writeMessage,
} from "../src/tpm/attestation/messages.js";
import { sized } from "../src/tpm/marshal.js";
import { newDeviceIn, now, refusalOf, time, withCertificates } from "./attestation-fixture.js";
import { attestationScene, edited } from "./attestation-scene.js";
import { codeOf } from "./fixture.js";
import { SoftwareTpm } from "./swtpm.js";

const { newDevice, newUncertifiedDevice, newVerifier, pem } = attestationScene();

describe("the verifier refuses", () => {
  it("a claim for another key than the one that is to be proven", async () => {
    const { claim } = await newDevice();
    const other = PrivateKey.generate().publicKey;
    expect(await refusalOf(() => newVerifier().challenge(claim, other))).toMatch(
      /step "key": the claim is for another key/,
    );
  });

  const attributes = 4; // where they begin in a public area
  const restricted = 0x01;
  it.each<[string, keyof Claim, number, number, RegExp]>([
    ["a key that may leave its TPM", "key", attributes + 3, 0x02, /step "key": .*fixed in its TPM/],
    ["a key that may get another parent", "key", attributes + 3, 0x10, /step "key"/],
    ["a key that was made elsewhere", "key", attributes + 3, 0x20, /step "key"/],
    ["a key that may decrypt", "key", attributes + 1, 0x02, /step "key"/],
    [
      "an attestation key that signs anything",
      "attestationKey",
      attributes + 1,
      restricted,
      /step "attestation key"/,
    ],
    [
      "an attestation key that may leave its TPM",
      "attestationKey",
      attributes + 3,
      0x02,
      /step "attestation key"/,
    ],
    [
      "an endorsement key that may leave its TPM",
      "endorsementKey",
      attributes + 3,
      0x02,
      /step "endorsement key"/,
    ],
    ["an endorsement key that signs", "endorsementKey", attributes + 1, 0x04, /step "endorsement key"/],
  ])("%s", async (_, member, at, bit, words) => {
    const { claim, key } = await newDevice();
    const changed = edited(claim, (message) => {
      const area = Buffer.from(String(message[member]), "base64url");
      area[at] = (area[at] as number) ^ bit;
      message[member] = area.toString("base64url");
    });
    expect(await refusalOf(() => newVerifier().challenge(changed, key))).toMatch(words);
  });

  const modulus = (edit: (bytes: Uint8Array) => void, length = 256) => {
    const bytes = new Uint8Array(length).fill(0xff);
    edit(bytes);
    return concatBytes(endorsementKeyKinds["L-1"].beginning, sized(bytes));
  };
  it.each<[string, Uint8Array]>([
    ["an even modulus", modulus((bytes) => bytes.fill(0, 255))],
    ["a small modulus", modulus((bytes) => bytes.fill(0, 0, 255))],
    ["a modulus of 2,047 bits", modulus((bytes) => bytes.fill(0x7f, 0, 1))],
    ["a short modulus", modulus(() => {}, 64)],
    ["no modulus", modulus(() => {}, 0)],
    [
      "a point on no curve",
      concatBytes(endorsementKeyKinds["L-2"].beginning, sized(new Uint8Array(32)), sized(new Uint8Array(32))),
    ],
    ["no point", concatBytes(endorsementKeyKinds["H-3"].beginning, sized(), sized())],
    [
      "something at its end",
      concatBytes(
        modulus(() => {}),
        sized(),
      ),
    ],
  ])("an endorsement key with %s, before it encrypts anything", async (_, area) => {
    const { claim, key } = await newDevice();
    const changed = edited(withCertificates(claim), (message) => {
      message["endorsementKey"] = toBase64Url(area);
    });
    expect(await refusalOf(() => newVerifier().challenge(changed, key))).toMatch(/step "endorsement key"/);
  });

  it("a key that is not in the TPM, though all else is", async () => {
    const { claim, answer } = await newDevice();
    // The public area of a software key says of itself what it likes; the TPM does not certify it.
    const software = PrivateKey.generate().publicKey;
    const changed = edited(claim, (message) => {
      const area = Buffer.from(String(message["key"]), "base64url");
      const point = software.bytes;
      const y = Buffer.from(area.subarray(-32));
      y[31] = ((y[31] as number) & 0xfe) | ((point[0] as number) & 1);
      area.set(point.subarray(1), area.length - 66);
      area.set(y, area.length - 32);
      message["key"] = area.toString("base64url");
    });
    const verifier = newVerifier();
    const answered = await answer(verifier.challenge(changed, software));
    expect(await refusalOf(() => verifier.check(answered))).toMatch(/step "name": .* another key/);
  });

  it("the statement about another key of the same TPM", async () => {
    const { store, claim, key } = await newDevice();
    await store.generate("other");
    const verifier = newVerifier();
    const challenge = verifier.challenge(claim, key);
    const answer = await store.attestation("other").answer(challenge);
    expect(await refusalOf(() => verifier.check(answer))).toMatch(/step "name"/);
  });

  it("an attestation key outside of the TPM, because the TPM gives it no secret", async () => {
    const { claim, key, answer } = await newDevice();
    const software = PrivateKey.generate();
    const changed = edited(claim, (message) => {
      const area = Buffer.from(String(message["attestationKey"]), "base64url");
      area.set(software.publicKey.bytes.subarray(1), area.length - 66);
      message["attestationKey"] = area.toString("base64url");
    });
    const verifier = newVerifier();
    const challenge = verifier.challenge(changed, key);
    expect(await refusalOf(() => answer(challenge))).toMatch(
      /The TPM refuses to answer: .*TPM2_ActivateCredential/,
    );
    const guess: Answer = {
      id: readChallenge(challenge).id,
      secret: new Uint8Array(32),
      statement: new Uint8Array(100),
      signature: new Uint8Array(64),
    };
    expect(await refusalOf(() => verifier.check(writeMessage(guess)))).toMatch(/step "secret"/);
  });

  it("a certificate for another endorsement key", async () => {
    const other = await SoftwareTpm.start(onTestFinished);
    const { store, key } = await newDeviceIn(other);
    const claim = withCertificates(await store.attestation("device").claim(), pem("endorsement"));
    expect(await refusalOf(() => newVerifier().challenge(claim, key))).toMatch(
      /step "certificate": .*another key/,
    );
  });

  it("a certificate for another purpose; one that names none is accepted", async () => {
    const { claim, key } = await newDevice();
    const outcome = (name: string) =>
      refusalOf(() => newVerifier().challenge(withCertificates(claim, pem(name)), key));
    expect(await outcome("of a server")).toMatch(/step "purpose"/);
    expect(await outcome("of anything")).toMatch(/step "purpose"/);
    expect(await outcome("of no purpose")).toBe("no refusal");
    expect(await outcome("of an authority")).toMatch(/step "purpose"/);
    expect(await outcome("for signatures")).toMatch(/step "purpose": .* encryption/);
    expect(await outcome("for agreement")).toBe("no refusal");
    expect(await outcome("for encipherment")).toBe("no refusal");
  });

  it("an answer that it has seen, be it right or wrong", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier();
    const right = await answer(verifier.challenge(claim, key));
    expect(verifier.check(right).proven).toBe(true);
    expect(await refusalOf(() => verifier.check(right))).toMatch(/step "challenge": .*no open challenge/);
    const late = await answer(verifier.challenge(claim, key));
    const wrong = edited(late, (message) => {
      message["signature"] = toBase64Url(new Uint8Array(64));
    });
    expect(await refusalOf(() => verifier.check(wrong))).toMatch(/step "signature"/);
    expect(await refusalOf(() => verifier.check(late))).toMatch(/no open challenge/);
  });

  it("an answer to another verifier's challenge", async () => {
    const { claim, key, answer } = await newDevice();
    const answered = await answer(newVerifier().challenge(claim, key));
    expect(await refusalOf(() => newVerifier().check(answered))).toMatch(/no open challenge/);
  });

  it("an answer that is put together from two", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier();
    const answers = async () =>
      [await answer(verifier.challenge(claim, key)), await answer(verifier.challenge(claim, key))] as const;
    const [one, two] = await answers();
    const otherId = writeMessage({ ...readAnswer(one), id: readAnswer(two).id });
    expect(await refusalOf(() => verifier.check(otherId))).toMatch(/step "secret"/);
    const [three, four] = await answers();
    const olderStatement = writeMessage({ ...readAnswer(three), ...pick(readAnswer(four), "id", "secret") });
    expect(await refusalOf(() => verifier.check(olderStatement))).toMatch(/step "nonce"/);
  });

  it("an answer after the lifetime of its challenge, and one from before the clock was set back", async () => {
    const { claim, key, answer } = await newDevice();
    let at = 1000 * time;
    const verifier = newVerifier({ now: () => at, lifetimeSeconds: 5 });
    const answers = [0, 0, 0].map(() => answer(verifier.challenge(claim, key)));
    const [inTime = "", tooLate = "", setBack = ""] = await Promise.all(answers);
    at += 5000;
    expect(verifier.check(inTime).proven).toBe(true);
    at += 1;
    expect(await refusalOf(() => verifier.check(tooLate))).toMatch(/step "challenge": it comes too late/);
    at -= 60_000;
    expect(await refusalOf(() => verifier.check(setBack))).toMatch(/it comes too late/);
  });

  it("more challenges than it may keep, until old ones are over", async () => {
    const { claim, key } = await newDevice();
    let at = 1000 * time;
    const verifier = newVerifier({ now: () => at, maxOpen: 3 });
    for (let i = 0; i < 3; i++) verifier.challenge(claim, key);
    expect(() => verifier.challenge(claim, key)).toThrow(
      expect.objectContaining({
        code: "verifier_busy",
        message: "3 attestations are under way already.",
        fix: expect.stringContaining("maxOpen"),
      }),
    );
    at += 60_001;
    for (let i = 0; i < 3; i++) verifier.challenge(claim, key);
    expect(await codeOf(() => verifier.challenge(claim, key))).toBe("verifier_busy");
    at -= 90_000;
    verifier.challenge(claim, key);
  });

  it("no device with a certificate because of claims without one, which give way, the oldest first", async () => {
    const { claim, key, answer } = await newDevice();
    const other = await newUncertifiedDevice();
    const verifier = newVerifier({ maxOpen: 3 });
    const first = verifier.challenge(claim, key);
    const plain = Array.from({ length: 5 }, () => verifier.challenge(other.claim, other.key));
    const second = verifier.challenge(claim, key);
    expect(await refusalOf(async () => verifier.check(await other.answer(plain[3] ?? "")))).toMatch(
      /step "challenge": it answers no open challenge; begin anew/,
    );
    expect(verifier.check(await other.answer(plain[4] ?? "")).proven).toBe(false);
    verifier.challenge(claim, key);
    expect(await codeOf(() => verifier.challenge(other.claim, other.key))).toBe("verifier_busy");
    for (const challenge of [first, second])
      expect(verifier.check(await answer(challenge)).proven).toBe(true);
  });

  it("what is no text, and calls a key that is none a mistake of the programmer", async () => {
    const { claim, key, answer } = await newDevice();
    const verifier = newVerifier();
    for (const message of [undefined, null, 7, {}, ["{}"], Buffer.from(claim)] as unknown as string[]) {
      expect(await codeOf(() => verifier.challenge(message, key))).toBe("attestation_refused");
      expect(await codeOf(() => verifier.check(message))).toBe("attestation_refused");
      expect(await codeOf(() => answer(message))).toBe("attestation_refused");
    }
    expect(() => verifier.challenge(claim, undefined as unknown as typeof key)).toThrow(
      new TypeError("publicKey must be a PublicKey."),
    );
  });
});

const pick = <T, K extends keyof T>(from: T, ...names: K[]) =>
  Object.fromEntries(names.map((name) => [name, from[name]])) as Pick<T, K>;

describe("the verifier's half", () => {
  it("reaches no file, socket, process or environment", () => {
    const seen = new Set<string>();
    const outside = new Set<string>();
    const visit = (url: URL) => {
      if (seen.has(url.href)) return;
      seen.add(url.href);
      const source = readFileSync(url, "utf8");
      for (const [, types, from = ""] of source.matchAll(/^(?:im|ex)port (type )?[^;]*?from "([^"]+)"/gm)) {
        if (types !== undefined) continue;
        if (from.startsWith(".")) visit(new URL(from.replace(/\.js$/, ".ts"), url));
        else outside.add(from);
      }
      expect(source).not.toMatch(/\bprocess\.|\bset(Timeout|Interval)\(/);
    };
    visit(new URL("../src/attestation.ts", import.meta.url));
    expect(seen.size).toBeGreaterThan(10);
    expect([...outside].sort()).toEqual(["@authmesh/core", "@authmesh/core/records", "node:crypto"]);
  });
});

describe("the options of a verifier", () => {
  it("are refused where they cannot work", async () => {
    const make = (more: Partial<AttestationVerifierOptions>) => () => newVerifier(more);
    for (const roots of [[""], ["no PEM"], ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]])
      expect(await codeOf(make({ roots }))).toBe("invalid_option");
    for (const lifetimeSeconds of [0, -1, 1.5, 3601, Number.NaN])
      expect(make({ lifetimeSeconds })).toThrow(TypeError);
    for (const maxOpen of [0, 1_000_001]) expect(make({ maxOpen })).toThrow(TypeError);
  });

  it("take several certificates in one text", async () => {
    const { claim, key } = await newDevice();
    const bundle = `The makers we trust:\n${pem("root")}\nand\n${pem("maker")}`;
    const verifier = createAttestationVerifier({ roots: [bundle], now });
    expect(await refusalOf(() => verifier.challenge(claim, key))).toBe("no refusal");
  });
});
