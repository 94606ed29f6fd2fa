import { AmeshError, drawPairingCode, pairAsTarget } from "@authmesh/core";
import { checkMaxControllers } from "@authmesh/keystore";
import type { PairingEvent } from "./events.js";
import { Meeting } from "./meeting.js";
import { Session } from "./session.js";
import { handshakeOptions, type PairingOptions, type Side, takeSide } from "./side.js";
import { actsOfTarget, type Operator } from "./target-acts.js";

export interface ListenOptions extends PairingOptions, Operator {
  /** How many controllers this machine accepts from then on, 1 to 1000. Default: as many as before. */
  readonly maxControllers?: number;
}

/** A relay that has the code already means nothing; one that has every code means harm. */
const draws = 3;
/** A code lives so long (docs/protocol.md, section 5), whatever the relay says; in seconds. */
const codeSeconds = 60;

/**
 * Waits for a controller and pairs with it: the side of the machine that will be called (docs/protocol.md,
 * section 5). Ends after `paired`, and otherwise throws; then nothing has changed here.
 *
 * The code is good for one handshake within 60 seconds, the handshake for 150 seconds. Leaving the loop cancels, and
 * so does the signal, at any time.
 *
 * @example
 * for await (const event of listen({ verificationCode: () => terminal.question("Code shown there: ") })) {
 *   if (event.event === "code") console.log(`On the controller: amesh invite ${event.code}`);
 *   if (event.event === "paired") console.log(`${event.friendlyName} may call this machine.`);
 * }
 *
 * @throws AmeshError before anybody answered: `invalid_option`, `identity_not_found` and what else keeps identity or
 *   allow list from being used, `pairing_cooldown`, `relay_unreachable`, `relay_protocol_error`, `otc_expired`,
 *   `otc_in_use`, `rate_limited`, `relay_capacity`
 * @throws AmeshError afterwards: `pairing_commitment_mismatch`, `pairing_frame_invalid`, `pairing_identity_invalid`,
 *   `pairing_own_key`, `controller_limit_reached`, `device_revoked`, `pairing_code_mismatch`, `pairing_unconfirmed`,
 *   `pairing_peer_left`, `pairing_timeout`, `relay_unreachable`, `storage_failed`; at any time `pairing_cancelled`
 */
export async function* listen(options: ListenOptions): AsyncIterable<PairingEvent> {
  if (typeof options?.verificationCode !== "function")
    throw new TypeError("listen() needs a function verificationCode that asks the operator.");
  const { maxControllers } = options;
  if (maxControllers !== undefined) checkMaxControllers(maxControllers);
  const side = await takeSide("controller", options, { maxControllers });
  const { meeting, code, expiresIn } = await waitUnderCode(side);
  try {
    yield { event: "code", code, expiresIn };
    await meeting.peerFound(expiresIn);
    side.cooldown.check();
    const handshake = pairAsTarget(handshakeOptions(side, code));
    yield* new Session(side, meeting, handshake, actsOfTarget(side, options)).run();
  } finally {
    await meeting.connection.close();
  }
}

/** Has the relay wait under a code that nobody else uses there. */
async function waitUnderCode({ relay, signal, random }: Side) {
  for (let left = draws - 1; ; left--) {
    const code = drawPairingCode(random);
    const meeting = new Meeting(relay, signal);
    try {
      const { expiresIn } = await meeting.greet({ type: "listen", otc: code }, "listening");
      return { meeting, code, expiresIn: Math.min(expiresIn, codeSeconds) };
    } catch (error) {
      await meeting.connection.close();
      if (left === 0 || !(error instanceof AmeshError && error.code === "otc_in_use")) throw error;
    }
  }
}
