import { AmeshError, lookUp, type PublicKey, signableChallenge, toBase64Url } from "@authmesh/core";
import { type ChallengeAnswer, type ChallengePurpose, challengeText } from "@authmesh/core/enrollment";
import { type OpenIdentity, withEnrollment } from "@authmesh/keystore";
import { unlessAborted } from "../client/unless-aborted.js";
import type { AuthorityClient } from "./authority-client.js";
import type { EnrolledMachine } from "./enrolled-machine.js";
import { readMember } from "./told.js";

/** A challenge for a key, whether or not anybody knows it. @throws AmeshError as `AuthorityClient.ask` */
export async function askForChallenge(
  authority: AuthorityClient,
  purpose: ChallengePurpose,
  { deviceId }: Pick<PublicKey, "deviceId">,
): Promise<string> {
  const answer = await authority.ask("POST", "/v1/challenges", { purpose, device: deviceId });
  return readMember(answer, "challenge", challengeText);
}

/**
 * Answers a challenge by a device's key (docs/protocol.md, section 10.3). The counter is raised for good before it is signed, and the
 * next answer of this machine waits until the authority has seen this one: one that overtook it would look like a copy
 * of the key. So a signal ends the caller's wait alone; what is under way is brought to its end.
 *
 * @param send resolves once the authority has begun to answer
 * @param key whose answer it is. Default: the key in use
 * @throws AmeshError `allow_list_locked`, `storage_failed`, as `AuthorityClient.ask`, and as `sign` of the key
 */
export function answerChallenge<T>(
  { open, authority, signal }: EnrolledMachine,
  purpose: ChallengePurpose,
  send: (answer: ChallengeAnswer, authority: AuthorityClient) => Promise<T>,
  key: Pick<OpenIdentity, "publicKey" | "sign"> = open,
): Promise<T> {
  const { deviceId } = key.publicKey;
  const { origin } = authority;
  const patient = authority.with({ signal: undefined });
  const answering = withEnrollment(open.dir, async ({ record, save, assertHeld }) => {
    signal?.throwIfAborted();
    const challenge = await askForChallenge(patient, purpose, key.publicKey);
    const counter = record.counter + 1;
    await save({ ...record, counter });
    const signature = await key.sign(signableChallenge({ origin, purpose, deviceId, challenge, counter }));
    assertHeld();
    try {
      return await send({ device: deviceId, challenge, counter, signature: toBase64Url(signature) }, patient);
    } catch (error) {
      const { enrollment } = record;
      if (key === open && enrollment?.authority === authority.url && isUnknown(error))
        await save({ ...record, counter, enrollment: { ...enrollment, refused: true } });
      throw error;
    }
  });
  return unlessAborted(answering, signal);
}

const unknown = lookUp("challenge_refused")?.summary;

/** An authority that refuses for another reason says so to who holds the key. */
const isUnknown = (error: unknown): boolean =>
  error instanceof AmeshError && error.code === "challenge_refused" && error.message === unknown;
