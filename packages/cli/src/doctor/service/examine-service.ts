import { AmeshError } from "@authmesh/core";
import type { ClientIdentity } from "@authmesh/sdk";
import { asArrived, type Destination, findArrival, hostsTried, isAccepted, type Reading } from "./arrival.js";
import type { ProbeRequest } from "./probe-request.js";
import { nowhere, type Probe, probes } from "./probes.js";
import { type Answer, type Refusal, ServiceConnection } from "./service-connection.js";
import {
  describeAccepted,
  describeClock,
  describeHeader,
  describeReading,
  describeRefusal,
  describeStore,
  describeUnexplained,
  describeUnseen,
  describeVerifier,
  type ServiceFinding,
  unknownChange,
} from "./service-finding.js";

export interface ServiceExamination extends Destination {
  readonly identity: ClientIdentity;
  /** Of requests with a body. */
  readonly method: string;
}

/** Beyond so many seconds the clock is taken for the reason of a refusal. */
const clockTolerance = 25;

/**
 * Asks a service, through whatever stands in front of it, what arrives of a request. It says no more than accepted or
 * refused, so each request is signed for what a proxy may have made of it: which signature is accepted says what
 * was received.
 *
 * @throws AmeshError `service_unreachable`; what keeps the key from signing
 */
export async function* examineService(examination: ServiceExamination): AsyncGenerator<ServiceFinding> {
  const { url, identity, method } = examination;
  const connection = new ServiceConnection(url.origin, identity);
  const plain: ProbeRequest = { method: "GET", origin: url.origin, target: url.pathname };

  const bare = await connection.unsigned(plain);
  yield describeVerifier(url, bare);
  if (!asksForProof(bare)) return;

  const answer = await connection.signed(plain);
  const header = describeHeader(answer);
  yield header;
  if (header.verdict === "FAIL") return;
  const store = describeStore(answer);
  if (store !== undefined) return yield store;

  const ahead = clockError(answer);
  const punctual = connection.setBack(ahead);
  let changes: readonly Reading[] = [];
  if (!isAccepted(answer)) {
    // A path that means nothing may be signed for hosts that are only guessed.
    const harmless = asksForProof(await connection.unsigned(nowhere(plain)));
    const found = await findArrival(punctual, examination, harmless ? nowhere(plain) : plain, harmless);
    if (found === undefined)
      return yield describeUnexplained(
        examination,
        answer.refusal as Refusal,
        hostsTried(examination, harmless),
      );
    changes = found;
  }
  yield describeClock(ahead);
  yield describeReading("Host", changes, url);
  yield describeReading("Path", changes, url);
  for (const probe of probes(url.search.slice(1), method)) yield await ask(probe, punctual, plain, changes);
}

const asksForProof = ({ refusal }: Answer): boolean => refusal?.code === "missing_header";

/** By how many seconds to set the clock back, for a request that the clock may be the matter of. */
function clockError(answer: Answer): number {
  const { clockAheadSeconds = 0 } = answer;
  return isAccepted(answer) || Math.abs(clockAheadSeconds) <= clockTolerance ? 0 : clockAheadSeconds;
}

/** First whether amesh sees such a request at all, then whether it arrives unchanged, then what was changed. */
async function ask(
  probe: Probe,
  connection: ServiceConnection,
  plain: ProbeRequest,
  arrival: readonly Reading[],
): Promise<ServiceFinding> {
  const { check, verdict, session = false, changes, otherwise = unknownChange } = probe;
  const request = probe.request(plain);
  const sendSignedAs = (arriving: ProbeRequest) =>
    connection.signed(request, { signedAs: asArrived(arriving, arrival), session });
  try {
    const { body, contentType, ...bodiless } = request;
    const bare = await connection.unsigned(bodiless);
    if (!asksForProof(bare)) return describeUnseen(check, request, bare);
    const answer = await sendSignedAs(request);
    if (isAccepted(answer)) return describeAccepted(check, verdict, answer);
    const refusal = answer.refusal as Refusal;
    const { code, decision } = refusal;
    if (code !== "unauthorized") return describeRefusal(check, refusal, verdict);
    for (const { finding, fix, arrives } of changes) {
      if (isAccepted(await sendSignedAs(arrives(request))))
        return { check, verdict, detail: finding, fix, decision };
    }
    return { check, verdict, detail: otherwise.finding, fix: otherwise.fix, decision };
  } catch (error) {
    if (!(error instanceof AmeshError && error.code === "service_unreachable")) throw error;
    return { check, verdict, detail: error.message, fix: error.fix };
  }
}
