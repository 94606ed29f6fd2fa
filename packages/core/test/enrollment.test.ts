import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { JsonValue } from "../src/canonical-json.js";
import {
  accountName,
  accountSecretKey,
  comparisonCode,
  type EnrollmentRequest,
  enrolledSubject,
  enrollmentLabel,
  isAccountSecret,
  newAccountSecret,
  newRecoveryCode,
  readAccountClaimDetails,
  readAskedScopes,
  readChallengeAnswer,
  readChallengeRequest,
  readEnrollmentRequest,
  readRecoveryCode,
  readRequestedScopes,
  recoveryDigest,
  requestDigest,
  signableClaimOf,
  signableRequestOf,
} from "../src/enrollment/index.js";
import { AmeshError, decodeUtf8, PrivateKey, signableChallenge } from "../src/index.js";
import { Misfit, type Reader } from "../src/records.js";
import { anyText } from "./any-text.js";

const codeOf = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof AmeshError) return error.code;
    if (error instanceof Misfit) return "misfit";
    throw error;
  }
  return "accepted";
};
const refuses = <T>(reader: Reader<T>, value: JsonValue) =>
  expect(
    codeOf(() => reader(value, "it")),
    JSON.stringify(value),
  ).toBe("misfit");

const zeros = (length: number) => new Uint8Array(length);
const { publicKey } = PrivateKey.generate();
const request: EnrollmentRequest = {
  account: "@acme",
  appName: "orders",
  deviceName: "box-1",
  publicKey: publicKey.base64,
  scopes: { orders: "rw" },
  lifetime: 3600,
  origin: "https://issuer.example",
  issuedAt: 1_800_000_000,
  random: "A".repeat(22),
};

describe("names", () => {
  it.each([
    ["@acme", "@acme"],
    ["@ACME-2", "@acme-2"],
    ["@ab", "@ab"],
    [`@${"a".repeat(32)}`, `@${"a".repeat(32)}`],
  ])("of accounts are brought into one form: %j", (text, name) => expect(accountName(text)).toBe(name));

  it.each([
    "acme",
    "@",
    "@a",
    `@${"a".repeat(33)}`,
    "@ac_me",
    "@acme ",
    "@acme\n",
    "@ac\u212ae",
    "@åcme",
    "",
  ])("of accounts are not %j", (text) =>
    expect(codeOf(() => accountName(text))).toBe("invalid_enrollment_name"),
  );

  it.each(["", ".", "..", "a/b", "a b", "ä", "a\n", "a".repeat(65)])(
    "of apps and devices are not %j",
    (text) => {
      for (const what of ["app", "device"] as const)
        expect(codeOf(() => enrollmentLabel(what, text))).toBe("invalid_enrollment_name");
      refuses(readEnrollmentRequest, { ...request, appName: text });
      refuses(readEnrollmentRequest, { ...request, deviceName: text });
      refuses(readAccountClaimDetails, { appName: text, deviceName: "a", recovery: [] });
    },
  );

  it("are names or a refusal, whatever the text", () => {
    fc.assert(
      fc.property(anyText(70), (text) => {
        expect(["accepted", "invalid_enrollment_name"]).toContain(codeOf(() => accountName(text)));
        expect(["accepted", "invalid_enrollment_name"]).toContain(codeOf(() => enrollmentLabel("app", text)));
      }),
    );
  });

  it("make the subject of tokens", () =>
    expect(enrolledSubject("@acme", "orders", "box-1")).toBe("svc://acme/orders/box-1"));
});

describe("a request", () => {
  it("is read as it was written, with and without an end", () => {
    const { lifetime: _, ...endless } = request;
    for (const each of [request, endless]) expect(readEnrollmentRequest(each, "")).toEqual(each);
  });

  it.each<[string, Record<string, JsonValue>]>([
    ["an account in capitals", { account: "@Acme" }],
    ["no scopes", { scopes: {} }],
    ["a scope that is none", { scopes: { orders: "w" } }],
    ["scopes in a list", { scopes: ["orders:rw"] }],
    ["257 scopes", { scopes: Object.fromEntries(Array.from({ length: 257 }, (_, i) => [`s${i}`, "r"])) }],
    ["a life of 59 s", { lifetime: 59 }],
    ["a life of more than ten years", { lifetime: 315_360_001 }],
    ["a life of null", { lifetime: null }],
    ["a key in base64url with other letters", { publicKey: `${publicKey.base64.slice(0, 43)}=` }],
    ["a key of 32 bytes", { publicKey: "A".repeat(43) }],
    ["an origin that is none", { origin: "ftp://issuer.example" }],
    ["an origin with a line end", { origin: "https://issuer.example\n" }],
    ["a time in parts of seconds", { issuedAt: 1.5 }],
    ["random of 21 characters", { random: "A".repeat(21) }],
    ["a member more", { status: "approved" }],
  ])("is none with %s", (_, change) => refuses(readEnrollmentRequest, { ...request, ...change }));

  it("is none without any of its members but the life", () => {
    for (const missing of Object.keys(request).filter((name) => name !== "lifetime"))
      refuses(
        readEnrollmentRequest,
        Object.fromEntries(Object.entries(request).filter(([name]) => name !== missing)) as JsonValue,
      );
  });

  it("has one digest, however its members and scopes are ordered, and another one for any change", () => {
    const scopes = { b: "r", a: "rw" } as const;
    const { random, ...rest } = request;
    const turned = { random, ...rest, scopes: { a: "rw", b: "r" } } as const;
    expect(requestDigest(turned)).toEqual(requestDigest({ ...request, scopes }));
    expect(requestDigest({ ...request, deviceName: "box-2" })).not.toEqual(requestDigest(request));
  });

  it("is signed for one origin", () => {
    expect(decodeUtf8(signableRequestOf(request))).toMatch(
      /^amesh\/enroll\/1 request\nhttps:\/\/issuer\.example\n\{"account":"@acme","appName":"orders"/,
    );
  });

  it("has a comparison code of six digits that hangs on the request and on s", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (s) => {
        expect(comparisonCode(request, s)).toMatch(/^[0-9]{6}$/);
      }),
    );
    const codes = Array.from({ length: 100 }, (_, i) => comparisonCode(request, zeros(32).fill(i)));
    expect(new Set(codes).size).toBeGreaterThan(95);
    expect(comparisonCode({ ...request, issuedAt: 1 }, zeros(32))).not.toBe(codes[0]);
  });
});

describe("grants that are asked for", () => {
  it("are at least one: nothing at all is no request", () => refuses(readRequestedScopes, {}));
  it("have names of scopes, and who asks is told which has not", () => {
    refuses(readRequestedScopes, { Orders: "r" });
    expect(() => readRequestedScopes({ orders: "r", __: "w" }, "x")).toThrow(
      'x has "__: \\"w\\"", which is no scope',
    );
  });
  it("are asked for by reserved names only where somebody can grant them", () => {
    expect(readAskedScopes({ __manage: "r", "__manage.eu": "rw", "*": "rw" }, "x")).toBeDefined();
    for (const name of ["__billing", "__manager", "__manag", "__billing.manage"])
      refuses(readAskedScopes, { orders: "r", [name]: "r" });
  });
});

describe("an answer to a challenge", () => {
  const answer = {
    device: publicKey.deviceId,
    challenge: "c".repeat(64),
    counter: 1,
    signature: "s".repeat(86),
  };

  it("is read", () => expect(readChallengeAnswer(answer, "")).toEqual(answer));

  it.each<[string, Record<string, JsonValue>]>([
    ["a counter below 0", { counter: -1 }],
    ["a counter that is no integer any more", { counter: 2 ** 53 }],
    ["a counter in text", { counter: "1" }],
    ["a challenge of 63 characters", { challenge: "c".repeat(63) }],
    ["a device id that is none", { device: "am_short" }],
    ["a signature of 85 characters", { signature: "s".repeat(85) }],
    ["a member more", { purpose: "wait" }],
  ])("is none with %s", (_, change) => refuses(readChallengeAnswer, { ...answer, ...change }));

  it("is for a purpose that there is", () => {
    expect(readChallengeRequest({ purpose: "wait", device: publicKey.deviceId }, "")).toMatchObject({
      purpose: "wait",
    });
    refuses(readChallengeRequest, { purpose: "approve", device: publicKey.deviceId });
  });

  it("is signed over different bytes for each thing that it is about", () => {
    const of = {
      origin: "https://issuer.example",
      purpose: "wait",
      deviceId: publicKey.deviceId,
      challenge: answer.challenge,
      counter: 1,
    };
    const others = [
      { origin: "https://other.example" },
      { purpose: "cancel" },
      { deviceId: "am_AAAAAAAAAAAAAAAA" },
      { challenge: "d".repeat(64) },
      { counter: 2 },
    ].map((other) => decodeUtf8(signableChallenge({ ...of, ...other })));
    expect(new Set([decodeUtf8(signableChallenge(of)), ...others]).size).toBe(6);
  });
});

describe("the secret of an account", () => {
  const secret = newAccountSecret(zeros);

  it("gives both sides one key, another one for another account", () => {
    const key = accountSecretKey(secret, "@acme");
    expect(accountSecretKey(secret, "@acme").publicKey.bytes).toEqual(key.publicKey.bytes);
    expect(accountSecretKey(secret, "@other").publicKey.bytes).not.toEqual(key.publicKey.bytes);
  });

  it.each([
    "",
    "amesh_once_",
    secret.slice(11),
    `${secret}A`,
    secret.slice(0, -1),
    `${secret.slice(0, -1)}B`,
  ])("is not %j", (text) => {
    expect(isAccountSecret(text)).toBe(false);
    expect(() => accountSecretKey(text, "@acme")).toThrow(TypeError);
  });

  it("is one or is none, whatever the text", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          anyText(),
          anyText().map((text) => `amesh_once_${text}`),
        ),
        (text) => {
          expect(isAccountSecret(text)).toBe(false);
        },
      ),
    );
  });

  it("is claimed by details that are signed whole", () => {
    const details = { appName: "ops", deviceName: "laptop", recovery: [recoveryDigest("x")] };
    expect(readAccountClaimDetails(details, "")).toEqual(details);
    const claim = {
      origin: "https://issuer.example",
      account: "@acme",
      challenge: "c".repeat(64),
      publicKey: publicKey.bytes,
      details,
    };
    const signed = (by: "onboard" | "recover", change: object = {}) =>
      decodeUtf8(signableClaimOf(by, { ...claim, ...change }));
    const all = [
      signed("onboard"),
      signed("recover"),
      signed("onboard", { account: "@other" }),
      signed("onboard", { details: { ...details, recovery: [] } }),
    ];
    expect(new Set(all).size).toBe(4);
    refuses(readAccountClaimDetails, { ...details, recovery: Array(17).fill(recoveryDigest("x")) });
    refuses(readAccountClaimDetails, { ...details, recovery: ["short"] });
  });
});

describe("a recovery code", () => {
  it("holds all of its 128 bits, is written in one way and read as people type it", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
        const code = newRecoveryCode(() => bytes);
        expect(code).toMatch(/^([A-Z2-7]{4}-){6}[A-Z2-7]{2}$/);
        expect(readRecoveryCode(code)).toBe(code);
        expect(readRecoveryCode(` ${code.toLowerCase().replaceAll("-", " ")}\n`)).toBe(code);
        const flipped = bytes.map((byte, i) => (i === 15 ? byte ^ 1 : byte));
        expect(newRecoveryCode(() => flipped)).not.toBe(code);
      }),
    );
  });

  it.each([
    "",
    "AAAA",
    "A".repeat(25),
    "A".repeat(27),
    `${"A".repeat(25)}B`,
    `${"A".repeat(25)}1`,
    `${"\u017f".repeat(25)}A`,
  ])("is not %j", (text) => expect(readRecoveryCode(text)).toBeUndefined());

  it("is one or is none, whatever the text", () => {
    fc.assert(
      fc.property(anyText(40), (text) => {
        const code = readRecoveryCode(text);
        if (code !== undefined) expect(readRecoveryCode(code)).toBe(code);
      }),
    );
  });
});

describe("what comes from the wire", () => {
  it("is read or is a misfit, whatever the value", () => {
    const readers = [
      readEnrollmentRequest,
      readChallengeAnswer,
      readChallengeRequest,
      readAccountClaimDetails,
      readRequestedScopes,
    ];
    const members = [...Object.keys(request), "device", "challenge", "counter", "signature", "recovery"];
    const nearly = fc.dictionary(fc.constantFrom(...members), fc.jsonValue());
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), nearly), (value) => {
        for (const read of readers)
          expect(["accepted", "misfit"]).toContain(
            codeOf(() => (read as Reader<unknown>)(value as JsonValue, "")),
          );
      }),
      { numRuns: 300 },
    );
  });
});
