import { crypto } from "#crypto";
import { utf8 } from "../encoding.js";
import { AmeshError } from "../errors.js";
import { commitmentLength, exactly, readAcknowledgement, shareLength, verdicts } from "./frames.js";
import { type Definition, type Rows, to } from "./machine.js";
import {
  type Drawn,
  drawShare,
  type Known,
  type Met,
  meet,
  type Secured,
  secure,
  send,
  sendIdentity,
  signIdentity,
} from "./session.js";
import type { PairingEffect } from "./vocabulary.js";

/** What every target knows until the two directions are sealed. */
export interface TargetOpening {
  expectingCommitment: Known;
  expectingShare: Drawn & { readonly commitment: Uint8Array };
  expectingIdentity: Secured;
}

/** What the target knows in each state. */
interface States extends TargetOpening {
  signing: Met;
  confirming: Met;
  askingCode: Met & { readonly entriesLeft: number };
  storing: Met;
  expectingAcknowledgement: Met;
  activating: Met;
}

const entries = 3;
export const acknowledgementSeconds = 10;

const sayNo = ({ channel }: Met): PairingEffect => send(channel.seal("verdict", verdicts.no));
const discard = ({ peer }: Met): PairingEffect => ({ type: "discard", peer });
const unconfirmed = () => {
  throw new AmeshError("pairing_unconfirmed");
};

export const targetOpening: Rows<TargetOpening, "expectingCommitment" | "expectingShare"> = {
  expectingCommitment: {
    frame: (_known, { bytes }, { random }) => {
      const commitment = exactly(commitmentLength, bytes);
      const own = drawShare(random);
      return to("expectingShare", { ...own, commitment }, send(own.share));
    },
  },
  expectingShare: {
    frame: (known, { bytes }, setup) => {
      const share = exactly(shareLength, bytes);
      // Before anything else: a peer that could choose its share now could choose the code.
      if (!setup.strength.opens(known.commitment, share)) throw new AmeshError("pairing_commitment_mismatch");
      return to("expectingIdentity", secure(known, share, known.commitment, setup));
    },
  },
};

/**
 * The side that will be called: it learns the code from its operator, never shows one, and gives the peer the
 * role of a controller in two steps, pending and active, so that nobody is trusted on one side alone.
 */
export const target: Definition<States> = {
  initial: { state: "expectingCommitment", known: { secrets: [] } },
  hidden: ["expectingCommitment"],
  transitions: {
    ...targetOpening,
    expectingIdentity: {
      frame: (known, { bytes }, setup) => {
        const met = meet(known, bytes, setup);
        return to("signing", met, signIdentity(met, setup));
      },
    },
    signing: {
      signed: (known, { signature }, setup) =>
        to("confirming", known, sendIdentity(known, signature, setup), { type: "confirm", peer: known.peer }),
    },
    confirming: {
      accepted: (known) =>
        to("askingCode", { ...known, entriesLeft: entries }, { type: "ask_code", entriesLeft: entries }),
      farewell: (known) => [sayNo(known)],
    },
    askingCode: {
      code_entered: (known, { text }) => {
        const entered = utf8(text.replace(/\s/g, ""));
        if (crypto.equal(entered, utf8(known.verificationCode))) {
          return to("storing", known, { type: "store_pending", peer: known.peer });
        }
        const entriesLeft = known.entriesLeft - 1;
        if (entriesLeft === 0) throw new AmeshError("pairing_code_mismatch");
        return to("askingCode", { ...known, entriesLeft }, { type: "ask_code", entriesLeft });
      },
      farewell: (known) => [sayNo(known)],
    },
    storing: {
      stored: (known) =>
        to("expectingAcknowledgement", known, send(known.channel.seal("verdict", verdicts.ok)), {
          type: "deadline",
          seconds: acknowledgementSeconds,
        }),
      farewell: (known) => [sayNo(known), discard(known)],
    },
    expectingAcknowledgement: {
      frame: (known, { bytes }) => {
        readAcknowledgement(known.channel.open("acknowledgement", bytes));
        return to("activating", known, { type: "activate", peer: known.peer });
      },
      timeout: unconfirmed,
      peer_left: unconfirmed,
      farewell: (known) => [discard(known)],
    },
    activating: {
      stored: (known) => to("done", known, { type: "done", peer: known.peer }),
      // The controller has everything it needs and may be gone already.
      timeout: (known) => to("activating", known),
      peer_left: (known) => to("activating", known),
      farewell: (known) => [discard(known)],
    },
  },
};
