import { type CarriedData, isCarriedPayload, maxFrameBytes } from "@authmesh/core";

/** Why an instance ends a session whose other side is elsewhere. */
const endReasons = ["peer_left", "session_expired"] as const;
/** Why a code that was found cannot be answered: its socket left in that moment, or it was answered while Redis did not know. */
const joinRefusals = ["otc_not_found", "peer_already_connected"] as const;
export type JoinRefusal = (typeof joinRefusals)[number];

/** What one instance says to another about a session (docs/protocol.md, section 6.7). */
export type InstanceMessage = {
  /** 16 random bytes, base64url; of `joined`, those of the code that is answered. */
  readonly session: string;
  /** How many came before it in its direction. */
  readonly place: number;
} & InstanceWord;

export type InstanceWord =
  /** A device at `instance` answered the code: `talk` names the session from here on. The script that finds a code says it. */
  | { readonly type: "joined"; readonly instance: string; readonly talk: string }
  /** The code waited at `instance`, and the two have met. */
  | { readonly type: "accepted"; readonly instance: string }
  | { readonly type: "refused"; readonly reason: JoinRefusal }
  | CarriedData
  | { readonly type: "done" }
  | { readonly type: "ended"; readonly reason: (typeof endReasons)[number] };

const format = /^([\w-]{22}) (\d{1,9}) ([a-z]+) ([^ ]*)$/;
const idFormat = /^[\w-]{22}$/;

const readers: Readonly<Record<InstanceWord["type"], (rest: string) => InstanceWord | undefined>> = {
  joined(rest) {
    const [instance = "", talk = "", ...others] = rest.split(",");
    const fits = idFormat.test(instance) && idFormat.test(talk) && others.length === 0;
    return fits ? { type: "joined", instance, talk } : undefined;
  },
  accepted: (instance) => (idFormat.test(instance) ? { type: "accepted", instance } : undefined),
  refused(rest) {
    const reason = joinRefusals.find((candidate) => candidate === rest);
    return reason && { type: "refused", reason };
  },
  data: (payload) => (isCarriedPayload(payload) ? { type: "data", payload } : undefined),
  done: (rest) => (rest === "" ? { type: "done" } : undefined),
  ended(rest) {
    const reason = endReasons.find((candidate) => candidate === rest);
    return reason && { type: "ended", reason };
  },
};

/** Reads what came over an instance's channel; undefined for what no instance says. */
export function parseInstanceMessage(text: string): InstanceMessage | undefined {
  if (text.length > maxFrameBytes + 64) return undefined;
  const [, session, place, type, rest] = format.exec(text) ?? [];
  if (session === undefined || type === undefined || rest === undefined) return undefined;
  if (!Object.hasOwn(readers, type)) return undefined;
  const word = readers[type as InstanceWord["type"]](rest);
  return word && { session, place: Number(place), ...word };
}

export const formatInstanceMessage = (message: InstanceMessage): string =>
  `${message.session} ${message.place} ${message.type} ${restOf(message)}`;

function restOf(word: InstanceWord): string {
  switch (word.type) {
    case "joined":
      return `${word.instance},${word.talk}`;
    case "accepted":
      return word.instance;
    case "data":
      return word.payload;
    case "done":
      return "";
    case "refused":
    case "ended":
      return word.reason;
  }
}
