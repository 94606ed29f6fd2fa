import { AmeshError, quoteForeign } from "@authmesh/core";
import { type ShownDevice, shownDevice } from "./events.js";
import type { Acts } from "./session.js";
import type { Side } from "./side.js";

/** What comes with every question to the operator. */
export interface Asked {
  /** Who wants in. */
  readonly peer: ShownDevice;
  /** Aborted when the answer is no longer wanted: the peer left, time is up, the pairing was cancelled. */
  readonly signal: AbortSignal;
}

/** The person at the machine that will be called. A question that is not answered but rejected ends the pairing. */
export interface Operator {
  /**
   * Asks for the six digits that the controller shows; white space does not matter. Asked again, with `left` 2 and
   * 1, after a wrong entry.
   */
  readonly verificationCode: (asked: Asked & { readonly left: number }) => Promise<string>;
  /**
   * Asks whether the present controllers may go for the new one; only when no further one is accepted. They go once
   * the pairing is complete. Default: no.
   */
  readonly replaceController?: (
    asked: Asked & { readonly present: readonly ShownDevice[] },
  ) => boolean | Promise<boolean>;
}

const entries = 3;

/** What the target does in a handshake: it asks its operator, and lets the peer in in two steps. */
export function actsOfTarget(
  side: Side,
  operator: Operator,
): Acts<"confirm" | "ask_code" | "store_pending" | "activate"> {
  let peer: ShownDevice = { deviceId: "", friendlyName: "" };

  async function makeRoom(present: readonly ShownDevice[], signal: AbortSignal): Promise<void> {
    if (present.length === 0) return;
    const agreed = await operator.replaceController?.({ peer, signal, present });
    if (agreed !== true) throw limitReached(present);
    side.peer.replace(present);
  }

  return {
    confirm: (effect) => {
      peer = shownDevice(effect.peer);
      const present = side.peer.inTheWay(effect.peer).map(shownDevice);
      return {
        events: [{ event: "peer", ...peer }],
        question: async (signal) => {
          await makeRoom(present, signal);
          return { type: "accepted" };
        },
      };
    },
    ask_code: ({ entriesLeft: left }) => ({
      events:
        left === entries
          ? [{ event: "verify", left }]
          : [
              { event: "mismatch", left },
              { event: "verify", left },
            ],
      question: async (signal) => {
        const text = await operator.verificationCode({ peer, signal, left });
        return { type: "code_entered", text };
      },
    }),
    store_pending: async (effect) => {
      await side.peer.storePending(effect.peer);
      return { answer: { type: "stored" } };
    },
    activate: async (effect) => {
      await side.peer.activate(effect.peer);
      return { answer: { type: "stored" } };
    },
  };
}

function limitReached(present: readonly ShownDevice[]): AmeshError {
  const names = present.map(({ deviceId, friendlyName }) => `${quoteForeign(friendlyName)} (${deviceId})`);
  return new AmeshError("controller_limit_reached", `The new controller would replace ${names.join(", ")}.`);
}
