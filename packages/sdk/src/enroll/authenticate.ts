import { AmeshError } from "@authmesh/core";
import { integer, text } from "@authmesh/core/records";
import { mintRequestOf } from "../client/request-token.js";
import type { ClientTokenOptions } from "../client/token-options.js";
import { answerChallenge } from "./answer-challenge.js";
import { type EnrolledMachine, openMachine } from "./enrolled-machine.js";
import { showEnrollment } from "./list.js";
import type { EnrollOptions } from "./options.js";
import {
  noteAuthority,
  noteEnrollment,
  noteStatus,
  rememberedEnrollment,
  statusOfRefusal,
} from "./remembered.js";
import { readMembers } from "./told.js";

export interface AuthenticateOptions extends EnrollOptions {
  /**
   * What the token is to be good for, as in `createClient({ token })`. Default: for the authority itself, action
   * `amesh.authenticate`, which needs no scope.
   */
  readonly token?: Omit<ClientTokenOptions, "authority" | "bind" | "proof" | "tokenUse"> | undefined;
}

export interface AuthenticatedMachine {
  /** For `Authorization: OathMesh <token>`. */
  readonly token: string;
  /** From the answer on. */
  readonly expiresInSeconds: number;
  /** `svc://ACCOUNT/APP/DEVICE` */
  readonly subject: string;
}

/**
 * Proves to hold the key of an enrollment, by the answer to a challenge (docs/protocol.md, section 10.3), for a token. A machine that
 * remembers no enrollment, as of a key that came back from a backup, remembers the one that the authority tells of.
 *
 * @throws AmeshError `enrollment_pending`, `enrollment_denied`, `enrollment_revoked`, `enrollment_expired`;
 * `challenge_refused` where this machine is not enrolled; `service_unreachable`, and what a token is refused with
 */
export async function authenticate(options: AuthenticateOptions = {}): Promise<AuthenticatedMachine> {
  const { token } = options;
  const machine = await openMachine(options);
  const { dir } = machine.open;
  const asked = token && mintRequestOf(token);
  try {
    const answer = await answerChallenge(machine, "authenticate", (proof, authority) =>
      authority.ask("POST", "/v1/authentication", { answer: proof, token: asked }),
    );
    const read = readMembers(answer, {
      token: text(/^[\w-]+\.[\w-]+\.[\w-]+$/, "a token"),
      expires_in: integer(1, 86_400),
      sub: text(/^svc:\/\/\S{1,512}$/, "the subject of an enrolled device"),
    });
    await noteAuthority(dir, machine.authority.url);
    if (rememberedEnrollment({ dir }) === undefined) await noteOwn(options, machine);
    else await noteStatus(dir, "approved");
    return { token: read.token, expiresInSeconds: read.expires_in, subject: read.sub };
  } catch (error) {
    const status = statusOfRefusal(error);
    if (status !== undefined) {
      await noteAuthority(dir, machine.authority.url);
      await noteStatus(dir, status);
    }
    throw error;
  }
}

/** The token is there, whatever becomes of this: what is not told now is with the next login. */
async function noteOwn(options: EnrollOptions, { open, authority }: EnrolledMachine): Promise<void> {
  const own = await showEnrollment(options).catch(unlessFailed);
  if (own !== undefined) await noteEnrollment(open.dir, authority.url, own);
}

function unlessFailed(error: unknown): undefined {
  if (!(error instanceof AmeshError)) throw error;
}
