import { AmeshError } from "../errors.js";
import { acknowledgement, exactly, readVerdict, shareLength } from "./frames.js";
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
import { commitmentTo } from "./transcript.js";

/** What the controller knows in each state. */
export interface ControllerStates {
  idle: Known;
  expectingShare: Drawn & { readonly commitment: Uint8Array };
  signing: Secured;
  expectingIdentity: Secured;
  expectingVerdict: Met;
  storing: Met;
}

type Rest = Exclude<keyof ControllerStates, "expectingIdentity">;

/** Everything but how the controller meets its peer. */
export const controllerRest: Rows<ControllerStates, Rest> = {
  idle: {
    start: (_known, _input, { random }) => {
      const own = drawShare(random);
      const commitment = commitmentTo(own.share);
      return to("expectingShare", { ...own, commitment }, send(commitment));
    },
  },
  expectingShare: {
    frame: (known, { bytes }, setup) => {
      const secured = secure(known, exactly(shareLength, bytes), known.commitment, setup);
      return to("signing", secured, send(known.share), signIdentity(secured, setup));
    },
  },
  signing: {
    signed: (known, { signature }, setup) =>
      to("expectingIdentity", known, sendIdentity(known, signature, setup)),
  },
  expectingVerdict: {
    frame: (known, { bytes }) => {
      if (!readVerdict(known.channel.open("verdict", bytes))) throw new AmeshError("pairing_rejected");
      return to("storing", known, { type: "store_target", peer: known.peer });
    },
  },
  storing: {
    stored: (known) =>
      to("done", known, send(known.channel.seal("acknowledgement", acknowledgement)), {
        type: "done",
        peer: known.peer,
      }),
    farewell: ({ peer }) => [{ type: "discard", peer }],
  },
};

/** The side that will call: it commits first, shows the code, and stores nothing before the target said yes. */
export const controller: Definition<ControllerStates> = {
  initial: { state: "idle", known: { secrets: [] } },
  hidden: ["idle", "expectingShare"],
  transitions: {
    ...controllerRest,
    expectingIdentity: {
      frame: (known, { bytes }, setup) => {
        const met = meet(known, bytes, setup);
        return to("expectingVerdict", met, {
          type: "show_code",
          code: met.verificationCode,
          peer: met.peer,
        });
      },
    },
  },
};
