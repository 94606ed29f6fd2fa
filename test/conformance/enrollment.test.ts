import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import {
  canonicalJson,
  createDeviceRevocation,
  Ed25519PublicKey,
  fromBase64Url,
  type JsonValue,
  PrivateKey,
  PublicKey,
  readDeviceRevocation,
  signableChallenge,
  toBase64Url,
} from "@authmesh/core";
import {
  accountSecretKey,
  comparisonCode,
  newRecoveryCode,
  readAccountClaimDetails,
  readChallengeAnswer,
  readEnrollmentRequest,
  recoveryDigest,
  signableClaimOf,
  signableRequestOf,
} from "@authmesh/core/enrollment";
import type { IssuerKey } from "@authmesh/oath";
import {
  type FeedChange,
  feedTokenId,
  firstFeedDigest,
  nextFeedDigest,
  readFeedStatement,
} from "@authmesh/oath/feed";
import { describe, expect, it } from "vitest";
import { type EnrollmentVectors, makeEnrollmentVectors } from "./make-enrollment-vectors.js";
import { askPython } from "./python-peer.js";

const file = fileURLToPath(new URL("vectors/enrollment-1.json", import.meta.url));
const made = makeEnrollmentVectors();
const vectors: EnrollmentVectors = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : made;
const { origin, device, requests, challenges, claims, recoveryCodes, feed, revocations } = vectors;
const publicKey = PublicKey.fromBase64(device.publicKey);
const bytes = (text: string) => fromBase64Url(text) ?? new Uint8Array();
const hex = (text: string) => Uint8Array.from(Buffer.from(text, "hex"));

it("the file of vectors is what it is made of", async () => {
  await expect(`${JSON.stringify(made, null, 2)}\n`).toMatchFileSnapshot(file);
});

describe("core agrees with the vectors", () => {
  it.each(requests)("on a request with the code $code", ({ request, canonical, signature, s, code }) => {
    const read = readEnrollmentRequest(request as JsonValue, "");
    expect(canonicalJson(request as JsonValue)).toBe(canonical);
    expect(publicKey.verify(signableRequestOf(read), bytes(signature))).toBe(true);
    expect(comparisonCode(read, hex(s))).toBe(code);
  });

  it.each(challenges)("on the answer to a challenge to $purpose", ({ purpose, answer }) => {
    const { device: deviceId, challenge, counter, signature } = readChallengeAnswer(answer, "");
    const signed = signableChallenge({ origin, purpose, deviceId, challenge, counter });
    expect(publicKey.verify(signed, bytes(signature))).toBe(true);
  });

  it("on how an account is claimed", () => {
    const { account, secret, challenge, onboard, recover } = claims;
    const details = readAccountClaimDetails(claims.details, "");
    const claim = { origin, account, challenge, publicKey: publicKey.bytes, details };
    const derived = accountSecretKey(secret, account).publicKey;
    expect(toBase64Url(derived.bytes)).toBe(claims.derivedKey);
    expect(derived.verify(signableClaimOf("onboard", claim), bytes(onboard.s1))).toBe(true);
    expect(publicKey.verify(signableClaimOf("onboard", claim), bytes(onboard.s2))).toBe(true);
    expect(publicKey.verify(signableClaimOf("recover", claim), bytes(recover.signature))).toBe(true);
  });

  it.each(recoveryCodes)("on the recovery code $code", ({ random, code, digest }) => {
    expect(newRecoveryCode(() => hex(random))).toBe(code);
    expect(recoveryDigest(code)).toBe(digest);
  });

  it("on the digests of a feed", () => {
    let digest = firstFeedDigest(feed.name, feed.epoch);
    const digests = [digest];
    for (const changes of feed.deltas as readonly (readonly FeedChange[])[]) {
      digest = nextFeedDigest(digest, changes);
      digests.push(digest);
    }
    expect(digests.map(toBase64Url)).toEqual(feed.digests);
  });

  it.each(feed.tokenIds)("on the id in the feed of what is revoked by $by", ({ by, value, id }) => {
    expect(feedTokenId({ by: by as "sub" | "tenant", value })).toBe(id);
  });

  it.each(feed.statements)("on a statement of a feed, $name: $expected", ({ jws, expected }) => {
    const { kid, x } = feed.key;
    const point = Ed25519PublicKey.fromBytes(bytes(x));
    const key: IssuerKey = {
      kid,
      alg: "EdDSA",
      verify: (input, signature) => point.verify(input, signature),
    };
    const read = () => readFeedStatement(jws, (asked) => (asked === kid ? key : undefined));
    if (expected === "accepted") expect(read()).toMatchObject({ iss: origin, feed: feed.name, epoch: 1 });
    else expect(read).toThrow(expect.objectContaining({ code: "feed_malformed" }));
  });

  it.each(revocations)("on a revocation by a device, $name: $expected", ({ jws, expected }) => {
    const read = readDeviceRevocation(jws);
    expect(typeof read === "object" && read.isSigned() ? "accepted" : "refused").toBe(expected);
  });
});

describe("a reader in Python, written from docs/protocol.md, sections 9 and 10, alone", () => {
  const ask = (lines: readonly object[]) =>
    askPython<{ ok: boolean; digests?: string[]; id?: string }>([], lines, "read_enrollment.py");
  const { deviceId } = device;
  const with1 = { origin, publicKey: device.publicKey };

  it("agrees with the vectors on requests, challenges, claims and recovery codes", async () => {
    expect(
      await ask([
        ...requests.map((each) => ({ kind: "request", ...each })),
        ...challenges.map((each) => ({ kind: "challenge", ...with1, ...each })),
        { kind: "claim", ...with1, ...claims },
        ...recoveryCodes.map((each) => ({ kind: "recovery", ...each })),
      ]),
    ).toEqual([
      ...requests.map(({ code }) => ({ ok: true, code, device: deviceId })),
      ...challenges.map(() => ({ ok: true })),
      { ok: true, derivedKey: claims.derivedKey },
      ...recoveryCodes.map(({ code, digest }) => ({ ok: true, code, digest })),
    ]);
  });

  it("agrees with the vectors on the feed, and on revocations without one", async () => {
    const { key, snapshot } = feed;
    expect(
      (
        await ask([
          { kind: "digests", ...feed },
          ...feed.tokenIds.map(({ by, value }) => ({ kind: "token_id", by, value })),
          ...feed.statements.map(({ jws }) => ({ kind: "statement", jws, key, snapshot })),
          ...revocations.map(({ jws }) => ({ kind: "revocation", jws })),
        ])
      ).map(({ ok, digests, id }) => digests ?? id ?? ok),
    ).toEqual([
      feed.digests,
      ...feed.tokenIds.map(({ id }) => id),
      ...[...feed.statements, ...revocations].map(({ expected }) => expected === "accepted"),
    ]);
  });

  it("reads what core makes, and refuses it for another purpose, origin or counter", async () => {
    const key = PrivateKey.generate();
    const { base64, deviceId } = key.publicKey;
    const [{ request, s }, challenge] = [requests[0], challenges[2]] as [
      EnrollmentVectors["requests"][0],
      EnrollmentVectors["challenges"][0],
    ];
    const own = readEnrollmentRequest({ ...request, publicKey: base64 } as JsonValue, "");
    const signature = toBase64Url(key.sign(signableRequestOf(own)));
    const asked = { kind: "request", request: own, signature, s };
    const revocation = await createDeviceRevocation(
      { publicKey: key.publicKey, sign: async (message) => key.sign(message) },
      { action: "revoke", device: device.deviceId, seq: 1, reason: "stolen" },
    );
    const answered = { kind: "challenge", ...with1, ...challenge };
    expect(
      await ask([
        asked,
        { ...asked, request: { ...own, origin: "https://other.example" } },
        { ...asked, request: { ...own, scopes: { "*": "rw" } } },
        { kind: "revocation", jws: revocation },
        { ...answered, purpose: "wait" },
        { ...answered, origin: "https://other.example" },
        { ...answered, answer: { ...challenge.answer, counter: 99 } },
      ]),
    ).toMatchObject([
      { ok: true, code: comparisonCode(own, hex(s)), device: deviceId },
      { ok: false },
      { ok: false },
      { ok: true, signer: deviceId, device: device.deviceId, action: "revoke" },
      { ok: false },
      { ok: false },
      { ok: false },
    ]);
  });
});
