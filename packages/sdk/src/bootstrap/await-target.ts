import { setTimeout as sleep } from "node:timers/promises";
import {
  AmeshError,
  type BootstrapToken,
  bootstrapMeetingCode,
  checkBootstrapToken,
  meetAsController,
  readBootstrapToken,
} from "@authmesh/core";
import { actsOfController } from "../pairing/invite.js";
import { Meeting } from "../pairing/meeting.js";
import { Session } from "../pairing/session.js";
import { handshakeOptions, type PairingOptions, type Side, takeSide } from "../pairing/side.js";
import { type Perseverance, persevere } from "./perseverance.js";

export interface AwaitTargetOptions extends Omit<PairingOptions, "relay">, Pick<Perseverance, "onTrouble"> {}

/** The machine that used a token. */
export interface MetTarget {
  readonly deviceId: string;
  readonly friendlyName: string;
  /** Whether it was known as a target before. */
  readonly updated: boolean;
}

/** A socket may be dead without a sign, after a laptop slept: the code is said again so often, in seconds. */
const freshSeconds = 600;
const firstPause = 1000;

/**
 * Waits at the relay until a machine has used a bootstrap token of this one, and stores it as a target
 * (docs/protocol.md, section 7.4). The first that knows the token wins. What goes wrong on the way is tried again
 * until the token expires.
 *
 * @param text the token, as `provision` gave it
 *
 * @throws AmeshError `bootstrap_token_invalid`, also for a token of another device; `bootstrap_token_expired`,
 * `pairing_timeout` when it expires, `pairing_cancelled`; what keeps identity, allow list or relay from being used
 */
export async function awaitTarget(text: string, options: AwaitTargetOptions = {}): Promise<MetTarget> {
  const { now = Date.now, onTrouble, signal } = options;
  const token = readBootstrapToken(text);
  if ("code" in token) throw new AmeshError(token);
  const { host, expiresAt, relay } = token;
  const hosts = host === undefined ? [] : [host];
  const problem = checkBootstrapToken(token, { now: Math.floor(now() / 1000), hosts });
  if (problem !== undefined) throw new AmeshError(problem);
  const attempt = async () => {
    const side = await takeSide("target", { ...options, relay }, { addedBy: "bootstrap" });
    refuseForeign(token, side);
    return meetOnce(token, side, Math.ceil(expiresAt - now() / 1000));
  };
  // The attempt after a pause that was cancelled says so.
  const pause = (milliseconds: number) =>
    sleep(milliseconds, undefined, signal && { signal }).catch(() => undefined);
  return persevere(attempt, { until: expiresAt * 1000, firstPause, onTrouble, now, pause });
}

function refuseForeign({ controller }: BootstrapToken, { identity }: Side): void {
  if (controller.publicKey.base64 === identity.publicKey.base64) return;
  const { deviceId } = controller.publicKey;
  const detail = `The bootstrap token was made by ${deviceId}, not by this machine.`;
  throw new AmeshError("bootstrap_token_invalid", detail, { fix: "Wait on the machine that made it." });
}

async function meetOnce({ jti }: BootstrapToken, side: Side, secondsLeft: number): Promise<MetTarget> {
  const meeting = new Meeting(side.relay, side.signal);
  try {
    const otc = bootstrapMeetingCode(jti);
    const { expiresIn } = await meeting.greet({ type: "listen", otc }, "listening");
    await meeting.peerFound(Math.min(expiresIn, secondsLeft, freshSeconds));
    const { rendezvous, ...own } = handshakeOptions(side, jti);
    const handshake = meetAsController({ ...own, jti: rendezvous });
    const session = new Session(side, meeting, handshake, actsOfController(side));
    for await (const event of session.run({ type: "start" }))
      if (event.event === "paired") {
        const { deviceId, friendlyName, updated } = event;
        return { deviceId, friendlyName, updated };
      }
    throw new AmeshError("pairing_peer_left");
  } finally {
    await meeting.connection.close();
  }
}
