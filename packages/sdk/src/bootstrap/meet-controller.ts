import { type BootstrapToken, bootstrapMeetingCode, meetAsTarget } from "@authmesh/core";
import { Meeting } from "../pairing/meeting.js";
import { Session } from "../pairing/session.js";
import { handshakeOptions, type PairingOptions, takeSide } from "../pairing/side.js";

/**
 * Shows this machine to the controller whose bootstrap token it used, if that one waits at the relay now
 * (docs/protocol.md, section 7.4). It changes nothing here, and nothing has to follow when it fails.
 *
 * @throws AmeshError `otc_not_found` when the controller does not wait; what keeps relay, key or list from being used,
 * and why the handshake failed; `pairing_cancelled`
 */
export async function meetController(
  token: BootstrapToken,
  options: Omit<PairingOptions, "relay"> = {},
): Promise<void> {
  const side = await takeSide("controller", { ...options, relay: token.relay });
  const meeting = new Meeting(side.relay, side.signal);
  try {
    await meeting.greet({ type: "connect", otc: bootstrapMeetingCode(token.jti) }, "peer_found");
    const { rendezvous: jti, ...own } = handshakeOptions(side, token.jti);
    const handshake = meetAsTarget({ ...own, jti, controller: token.controller.publicKey });
    const session = new Session(side, meeting, handshake, {});
    for await (const event of session.run()) if (event.event === "paired") return;
  } finally {
    await meeting.connection.close();
  }
}
