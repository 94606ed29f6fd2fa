import {
  AmeshError,
  canonicalJson,
  fromBase64Url,
  type JsonObject,
  randomBytes,
  type Scopes,
  toBase64Url,
} from "@authmesh/core";
import {
  comparisonCode,
  type EnrollmentRequest,
  enrollmentId,
  readAskedScopes,
  signableRequestOf,
} from "@authmesh/core/enrollment";
import { text, withCode } from "@authmesh/core/records";
import { type CreatedIdentity, readEnrollment, withEnrollment } from "@authmesh/keystore";
import { answerChallenge } from "./answer-challenge.js";
import { type AttestOptions, attestKey } from "./attest-key.js";
import { type EnrolledMachine, openMachine } from "./enrolled-machine.js";
import { checkedLifetime } from "./limits.js";
import { type NewMachine, openNewMachine } from "./new-machine.js";
import type { EnrollOptions, NewMachineOptions } from "./options.js";
import { mayPass } from "./patience.js";
import { noteOutcome } from "./remembered.js";
import {
  attestationShape,
  type EnrollmentAttestation,
  type EnrollmentStatus,
  enrollmentStatus,
  readMembers,
} from "./told.js";
import { askOutcome } from "./wait.js";

export interface RequestEnrollmentOptions extends NewMachineOptions, AttestOptions {
  /** At least one grant: `{ orders: "rw", profile: "r" }`. */
  readonly scopes: Scopes;
  /** Seconds, 60 to 315,360,000. Default: no end. */
  readonly lifetimeSeconds?: number | undefined;
  /** A passcode or an invitation. Not needed to go on with a request that stands already. */
  readonly passcode?: string | undefined;
}

export interface RequestedEnrollment {
  readonly dir: string;
  readonly id: string;
  /** `approved` at once by an invitation that approves by itself. */
  readonly status: EnrollmentStatus;
  /** Six digits, for people to compare with those the approver sees. */
  readonly comparisonCode: string;
  /** What the authority found of where the key is; absent where the request stood already. */
  readonly attestation?: EnrollmentAttestation;
  /** Of the TPM, where that is proven. */
  readonly maker?: string;
  /** Why it is claimed and not proven. */
  readonly unproven?: string;
  /** Whether it is one that stood already: asked for by this machine with the same names, scopes and lifetime. */
  readonly resumed: boolean;
  /** What is to be told of an identity that was made; absent where there was one. */
  readonly created?: CreatedIdentity;
}

/**
 * Asks for this machine to be enrolled (docs/protocol.md, section 10.6), and resolves as soon as the request stands. Makes this machine's
 * identity where there is none. Asked again with the same options it goes on with the same request, also after a restart.
 *
 * @throws AmeshError `passcode_refused`, `enrollment_key_in_use`, `invalid_enrollment_name`, `invalid_scope`, `invalid_option`, `input_required` where a passcode
 * is needed, `rate_limited`, `service_unreachable`, with `attest: true` `attestation_unavailable` and `attestation_refused`, and what `createIdentity` or `openIdentity` throws
 */
export async function requestEnrollment(options: RequestEnrollmentOptions): Promise<RequestedEnrollment> {
  const { now = Date.now, random = randomBytes } = options;
  const lifetime = checkedLifetime(options.lifetimeSeconds);
  const scopes = withCode(() => readAskedScopes(options.scopes, "scopes"), "invalid_scope", "The request");
  const machine = await openNewMachine(options);
  const { open, authority, account, appName, deviceName, created } = machine;
  const wish = {
    account,
    appName,
    deviceName,
    publicKey: open.publicKey.base64,
    scopes,
    ...(lifetime === undefined ? {} : { lifetime }),
    origin: authority.origin,
  };
  const told = { dir: open.dir, ...(created && { created }) };
  const { enrollment, asking } = readEnrollment(open.dir);
  const standing = isFor(enrollment?.request, wish)
    ? await stillStands(machine, enrollment?.code ?? "")
    : undefined;
  if (standing !== undefined) return { ...told, ...standing, resumed: true };
  const issuedAt = Math.floor(now() / 1000);
  const isRecent = asking !== undefined && Math.abs(issuedAt - asking.issuedAt) < recentSeconds;
  if (isRecent && isFor(asking, wish))
    return { ...told, ...(await ask(machine, asking, options)), resumed: true };
  // An authority may have taken it in, and takes it no more: nobody saw the digits that belong to it.
  if (asking !== undefined) await withdraw(machine).catch(unlessUnknown);
  const request = { ...wish, issuedAt, random: toBase64Url(random(16)) };
  return { ...told, ...(await ask(machine, request, options)), resumed: false };
}

/** An authority takes requests that are at most 300 seconds old. */
const recentSeconds = 240;

/** Withdraws this machine's pending request. @throws AmeshError `enrollment_state`, `enrollment_not_found`, `challenge_refused`, `service_unreachable` */
export async function cancelEnrollment(options: EnrollOptions = {}): Promise<void> {
  const machine = await openMachine(options);
  await withdraw(machine);
  await withEnrollment(machine.open.dir, ({ record: { enrollment: _, ...others }, save }) => save(others));
}

const withdraw = (machine: EnrolledMachine): Promise<unknown> =>
  answerChallenge(machine, "cancel", (answer, authority) =>
    authority.ask("POST", "/v1/enrollments/cancel", { answer }),
  );

function unlessUnknown(error: unknown): undefined {
  if (!(error instanceof AmeshError && error.code === "challenge_refused")) throw error;
}

type Wish = Omit<EnrollmentRequest, "issuedAt" | "random">;

function isFor(request: EnrollmentRequest | undefined, wish: Wish): request is EnrollmentRequest {
  if (request === undefined) return false;
  const { issuedAt: _, random: __, ...wished } = request;
  return canonicalJson(wished as unknown as JsonObject) === canonicalJson(wish as unknown as JsonObject);
}

/** What the authority still has of it, if it is pending, or approved meanwhile. */
async function stillStands(machine: NewMachine, code: string): Promise<Standing | undefined> {
  const told = await askOutcome(machine).catch(unlessUnknown);
  if (told === undefined) return undefined;
  const { id, status } = told;
  await noteOutcome(machine.open.dir, told);
  return status === "pending" || status === "approved" ? { id, status, comparisonCode: code } : undefined;
}

async function ask(
  { open, authority, account, appName, deviceName }: NewMachine,
  request: EnrollmentRequest,
  { passcode, attest }: Pick<RequestEnrollmentOptions, "passcode" | "attest">,
): Promise<Standing> {
  if (passcode === undefined)
    throw new AmeshError("input_required", "A request needs a passcode or an invitation.", {
      fix: "Have one made: `amesh enroll passcode` on an enrolled machine.",
    });
  const evidence = await attestKey(authority, open, { attest });
  await withEnrollment(open.dir, ({ record, save }) => save({ ...record, asking: request }));
  // Of what was refused nothing stands; of what got no answer it may.
  const forgetAsking = () =>
    withEnrollment(open.dir, ({ record: { asking: _, ...others }, save }) => save(others));
  const signature = toBase64Url(await open.sign(signableRequestOf(request)));
  const answer = await authority
    .ask("POST", "/v1/enrollments", { request, signature, passcode, ...evidence })
    .catch(async (error: unknown) => {
      if (!mayPass(error)) await forgetAsking();
      throw error;
    });
  const { id, status, s, ...attested } = readMembers(answer, answerShape);
  const code = comparisonCode(request, fromBase64Url(s) as Uint8Array);
  const enrollment = { authority: authority.url, account, id, appName, deviceName, status, request, code };
  await withEnrollment(open.dir, ({ record: { asking: _, ...others }, save }) =>
    save({ ...others, enrollment }),
  );
  return { id, status, comparisonCode: code, ...attested };
}

type Standing = Omit<RequestedEnrollment, "dir" | "resumed" | "created">;

const answerShape = {
  id: enrollmentId,
  status: enrollmentStatus,
  s: text(/^[\w-]{43}$/, "32 bytes in base64url"),
  ...attestationShape,
};
