import { AmeshError } from "../errors.js";
import type { PublicKey } from "../public-key.js";
import { type ControllerStates, controllerRest } from "./controller.js";
import { readAcknowledgement, verdicts } from "./frames.js";
import { type Definition, to } from "./machine.js";
import { type Met, meet, send, sendIdentity, signIdentity } from "./session.js";
import { acknowledgementSeconds, type TargetOpening, targetOpening } from "./target.js";

/**
 * The handshake of two machines of which one has used a bootstrap token of the other (docs/protocol.md, section 7.4).
 * The token's `jti` is in the transcript in place of the digits. It has 128 bits, so that there is nothing to compare
 * and nothing to guess: no state counts for the cool-down.
 *
 * @module
 */

/** Shows no code: that the frame opens shows that the target knows the `jti`. */
export const bootstrappingController: Definition<ControllerStates> = {
  initial: { state: "idle", known: { secrets: [] } },
  hidden: ["idle", "expectingShare", "signing", "expectingIdentity", "expectingVerdict", "storing"],
  transitions: {
    ...controllerRest,
    expectingIdentity: {
      frame: (known, { bytes }, setup) => to("expectingVerdict", meet(known, bytes, setup)),
    },
  },
};

/** What the target knows in each state. */
interface TargetStates extends TargetOpening {
  signing: Met;
  expectingAcknowledgement: Met;
}

/** Asks nobody and stores nothing: the token has let its controller in already. */
export const bootstrappingTarget = (controller: PublicKey): Definition<TargetStates> => ({
  initial: { state: "expectingCommitment", known: { secrets: [] } },
  hidden: [
    "expectingCommitment",
    "expectingShare",
    "expectingIdentity",
    "signing",
    "expectingAcknowledgement",
  ],
  transitions: {
    ...targetOpening,
    expectingIdentity: {
      frame: (known, { bytes }, setup) => {
        const met = meet(known, bytes, setup);
        if (met.peer.publicKey.base64 !== controller.base64)
          throw new AmeshError("pairing_identity_invalid", "The other side is not who signed the token.");
        return to("signing", met, signIdentity(met, setup));
      },
    },
    signing: {
      signed: (known, { signature }, setup) =>
        to(
          "expectingAcknowledgement",
          known,
          sendIdentity(known, signature, setup),
          send(known.channel.seal("verdict", verdicts.ok)),
          { type: "deadline", seconds: acknowledgementSeconds },
        ),
    },
    expectingAcknowledgement: {
      frame: (known, { bytes }) => {
        readAcknowledgement(known.channel.open("acknowledgement", bytes));
        return to("done", known, { type: "done", peer: known.peer });
      },
    },
  },
});
