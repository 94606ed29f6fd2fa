import { AmeshError, PublicKey, readSuccession } from "@authmesh/core";
import {
  type ChallengeAnswer,
  type ChallengePurpose,
  readAttestationEvidence,
  readChallengeAnswer,
} from "@authmesh/core/enrollment";
import { optional, record, text } from "@authmesh/core/records";
import type { Context } from "hono";
import type { Enrollment } from "../enrollment/enrollment.js";
import { refuseWithoutAudit, type Services } from "../services.js";
import type { EventStreams } from "./event-streams.js";
import { jsonBody } from "./json-body.js";
import { toldState } from "./told-enrollment.js";

const noStore = { "Cache-Control": "no-store" };
const answerAlone = record({ answer: readChallengeAnswer });

/** `POST /v1/enrollments/wait` (docs/protocol.md, section 10.6): of the holder of the key, however it stands. */
export async function answerWait(
  context: Context,
  services: Services,
  streams: EventStreams,
): Promise<Response> {
  const { answer } = await jsonBody(context, answerAlone, "The question after an enrollment");
  const enrollment = await holdersEnrollment(context, services, "wait", answer);
  const seconds = () => services.now() / 1000;
  if (!context.req.header("accept")?.includes("text/event-stream"))
    return context.json(toldState(enrollment, seconds()), 200, noStore);
  return streams.open(services.addressOf(context), (stream) => {
    const tell = (present: Enrollment) => {
      const told = toldState(present, seconds());
      stream.send("status", told);
      if (told.status !== "pending") stream.end();
    };
    const stop = services.enrollments.onChange((changed, isGone) => {
      if (changed.id !== enrollment.id) return;
      if (isGone) stream.end();
      else tell(changed);
    });
    // Read after it is listened for: what was decided in between is told by one of the two.
    services.enrollmentStore.readEnrollment(enrollment.account, enrollment.id).then(
      (present) => (present === undefined ? stream.end() : tell(present)),
      () => stream.end(),
    );
    return stop;
  });
}

/** `POST /v1/enrollments/cancel`. */
export async function answerCancel(context: Context, services: Services): Promise<Response> {
  const { answer } = await jsonBody(context, answerAlone, "The cancellation");
  const { account, id } = await holdersEnrollment(context, services, "cancel", answer);
  refuseWithoutAudit(services);
  await services.enrollments.cancel({ account, id });
  await services.tellChanges();
  return context.json({ id, status: "deleted" }, 200, noStore);
}

const rotation = record({
  succession: text(/^[\w.-]{1,1024}$/, "a succession"),
  answer: readChallengeAnswer,
  attestation: optional(readAttestationEvidence),
});

/** `POST /v1/enrollments/rotation`. Who lost the answer asks again, and is told how the new key stands. */
export async function answerRotation(context: Context, services: Services): Promise<Response> {
  const { enrollments, enrollmentStore, challenges, attestations } = services;
  const {
    succession: text,
    answer,
    attestation: evidence,
  } = await jsonBody(context, rotation, "The rotation");
  const succession = readSuccession(text);
  if (succession?.successor.deviceId !== answer.device) throw new AmeshError("challenge_refused");
  const [present, done] = [
    await enrollmentStore.readByDevice(succession.deviceId),
    await enrollmentStore.readByDevice(answer.device),
  ];
  const isNamed = present !== undefined && succession.isSignedBy(PublicKey.fromBase64(present.publicKey));
  const publicKey = isNamed || done !== undefined ? succession.successor.base64 : undefined;
  await challenges.accept("rotate", answer, { origin: services.dialled(context), publicKey });
  if (done !== undefined && done.status === "approved")
    return context.json(toldState(done, services.now() / 1000), 200, noStore);
  if (present === undefined || !isNamed) throw new AmeshError("challenge_refused");
  refuseWithoutAudit(services);
  const { account, id } = present;
  const attestation = await attestations.judge(succession.successor.base64, evidence);
  const rotated = await enrollments.rotate({ account, id }, succession.successor, attestation);
  await services.tellChanges();
  return context.json(toldState(rotated, services.now() / 1000), 200, noStore);
}

/**
 * The enrollment of whoever answered a challenge, whatever its state.
 *
 * @throws AmeshError `challenge_refused`, `enrollment_revoked` where the answer shows that the key is in two machines
 */
export async function holdersEnrollment(
  context: Context,
  { enrollments, enrollmentStore, challenges, dialled }: Services,
  purpose: ChallengePurpose,
  answer: ChallengeAnswer,
): Promise<Enrollment> {
  const known = await enrollmentStore.readByDevice(answer.device);
  await challenges.accept(purpose, answer, { origin: dialled(context), publicKey: known?.publicKey });
  const enrollment = await enrollments.answered(answer.device, answer.counter);
  if (enrollment === undefined) throw new AmeshError("challenge_refused");
  return enrollment;
}
