import { deviceId, integer, oneOf, type RecordOf, record, text } from "../records.js";

/** What a challenge is for (docs/protocol.md, section 10.3). An answer for one purpose serves no other. */
export const challengePurposes = ["onboard", "recover", "authenticate", "wait", "cancel", "rotate"] as const;

export type ChallengePurpose = (typeof challengePurposes)[number];

/** 48 bytes: time, random, authenticator. */
export const challengeText = text(/^[\w-]{64}$/, "a challenge, 64 characters of base64url");
export const signatureText = text(/^[\w-]{86}$/, "a signature, 64 bytes in base64url");

const answerShape = {
  device: deviceId,
  challenge: challengeText,
  /** 0 where the key has no enrollment yet; otherwise higher than ever before. */
  counter: integer(0, Number.MAX_SAFE_INTEGER),
  signature: signatureText,
};

/** A challenge, answered by a device's key over `signableChallenge`. */
export type ChallengeAnswer = Readonly<RecordOf<typeof answerShape>>;

/** @throws Misfit */
export const readChallengeAnswer = record(answerShape);

/** @throws Misfit */
export const readChallengeRequest = record({ purpose: oneOf(...challengePurposes), device: deviceId });
