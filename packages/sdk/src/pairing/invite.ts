import { pairAsController, parsePairingCode } from "@authmesh/core";
import type { PairingEvent } from "./events.js";
import { Meeting } from "./meeting.js";
import { type Acts, Session } from "./session.js";
import { handshakeOptions, type PairingOptions, type Side, takeSide } from "./side.js";

/**
 * Answers a target's code and pairs with it: the side of the machine that will call (docs/protocol.md, section 5).
 * Ends after `paired`, and otherwise throws; then nothing has changed here.
 *
 * After `sas` everything rests with the target's operator, who types the code there. That the target said yes does
 * not prove that a person did: look at what the target shows. Leaving the loop cancels, and so does the signal, at
 * any time.
 *
 * @example
 * for await (const event of invite("482916")) {
 *   if (event.event === "sas") console.log(`Type ${event.code} on ${event.friendlyName}.`);
 *   if (event.event === "paired") console.log(`This machine may call ${event.friendlyName}.`);
 * }
 *
 * @param code the six digits that `listen` shows; white space does not matter
 *
 * @throws AmeshError before the target was met: `pairing_code_malformed`, `invalid_option`, `identity_not_found` and
 *   what else keeps identity or allow list from being used, `pairing_cooldown`, `relay_unreachable`,
 *   `relay_protocol_error`, `otc_not_found`, `otc_expired`, `peer_already_connected`, `rate_limited`,
 *   `relay_capacity`
 * @throws AmeshError afterwards: `pairing_frame_invalid`, `pairing_identity_invalid`, `pairing_own_key`,
 *   `pairing_rejected`, `pairing_peer_left`, `pairing_timeout`, `relay_unreachable`, `storage_failed`; at any time
 *   `pairing_cancelled`
 */
export async function* invite(code: string, options: PairingOptions = {}): AsyncIterable<PairingEvent> {
  const rendezvous = parsePairingCode(code);
  const side = await takeSide("target", options);
  const meeting = new Meeting(side.relay, side.signal);
  try {
    await meeting.greet({ type: "connect", otc: rendezvous }, "peer_found");
    side.cooldown.check();
    const handshake = pairAsController(handshakeOptions(side, rendezvous));
    yield* new Session(side, meeting, handshake, actsOfController(side)).run({ type: "start" });
  } finally {
    await meeting.connection.close();
  }
}

export function actsOfController(side: Side): Acts<"show_code" | "store_target"> {
  return {
    show_code: ({ code, peer: { deviceId, friendlyName } }) => ({
      events: [{ event: "sas", code, deviceId, friendlyName }],
    }),
    store_target: async ({ peer }) => {
      await side.peer.store(peer);
      return { answer: { type: "stored" } };
    },
  };
}
