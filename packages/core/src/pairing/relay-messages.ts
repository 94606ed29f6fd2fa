import { isJsonObject, type JsonValue } from "../canonical-json.js";
import { fromBase64, isBase64, toBase64 } from "../encoding.js";
import { type ErrorCode, type Failure, failure } from "../errors.js";
import { isOneTimeCode } from "./one-time-code.js";

/** The largest WebSocket message a relay takes or sends, in bytes. */
export const maxFrameBytes = 65_536;

/** The largest payload whose `data` message still fits a frame, in bytes. */
export const maxPayloadBytes = Math.floor((maxFrameBytes - '{"type":"data","payload":""}'.length) / 4) * 3;

const maxPayloadText = (maxPayloadBytes / 3) * 4;

/** No code waits longer than this for the other side, in seconds. */
const maxExpirySeconds = 86_400;

/** What a device says to a relay (docs/protocol.md, section 6); the relay reads `CarriedData` for `DataMessage`. */
export type ClientMessage<Data = DataMessage> =
  | { readonly type: "listen"; readonly otc: string }
  | { readonly type: "connect"; readonly otc: string }
  /** What `challenge` asks for (section 6.8). */
  | { readonly type: "work"; readonly answer: number }
  | Data
  | DoneMessage;

/** What a relay says to a device; the relay writes `CarriedData` for `DataMessage`. `error` is the last message of its socket; the relay closes it. */
export type RelayMessage<Data = DataMessage> =
  | { readonly type: "listening" /** Seconds. */; readonly expiresIn: number }
  | { readonly type: "peer_found" }
  | RelayChallenge
  | Data
  | DoneMessage
  | { readonly type: "error"; readonly code: RelayErrorCode };

/** A hot relay's answer to `listen` or `connect`: work first (section 6.8). */
export interface RelayChallenge {
  readonly type: "challenge";
  /** 16 random bytes, base64url. */
  readonly seed: string;
  /** How many bits of the hash are to be zero: 1 to `maxWorkBits`. */
  readonly bits: number;
}

/** The most that a relay may ask for. */
export const maxWorkBits = 20;

/** One frame of the handshake; JSON carries the payload in standard base64, at most `maxPayloadBytes` of it. */
export interface DataMessage {
  readonly type: "data";
  readonly payload: Uint8Array;
}

/** The same at a relay, which hands it on as it came: base64 that is canonical and within the bound, not decoded. */
export interface CarriedData {
  readonly type: "data";
  readonly payload: string;
}

/** The sender needs nothing further: the relay hands this on and closes both sockets. */
export interface DoneMessage {
  readonly type: "done";
}

/**
 * Why a relay closes a socket, and with which WebSocket status code. The reason goes with the close frame; the
 * first nine follow an `error` message that says the same.
 */
export const relayClosings = {
  otc_not_found: 1008,
  otc_expired: 1008,
  otc_in_use: 1008,
  peer_already_connected: 1008,
  rate_limited: 1013,
  relay_capacity: 1013,
  /** Instances share codes, and what they share them through does not answer. */
  relay_store_unavailable: 1013,
  frame_too_large: 1009,
  bad_message: 1008,
  /** One of the two sides said `done`. */
  done: 1000,
  /** The relay shuts down. */
  relay_closing: 1001,
  /** The other side's socket is gone. */
  peer_left: 4001,
  /** The session lived 150 seconds after the two sides had found each other. */
  session_expired: 4002,
  /** The socket was opened and neither `listen` nor `connect` came. */
  greeting_timeout: 4003,
} as const satisfies Readonly<Record<string, number>>;

export type RelayClosing = keyof typeof relayClosings;

/** The codes an `error` message bears; all of them are rows of the catalogue. */
export const relayErrorCodes = [
  "otc_not_found",
  "otc_expired",
  "otc_in_use",
  "peer_already_connected",
  "rate_limited",
  "relay_capacity",
  "relay_store_unavailable",
  "frame_too_large",
  "bad_message",
] as const satisfies readonly (ErrorCode & RelayClosing)[];

export type RelayErrorCode = (typeof relayErrorCodes)[number];

type Members = Readonly<Record<string, unknown>>;
type Readers<Message extends { readonly type: string }> = {
  readonly [Type in Message["type"]]: (
    members: Members,
  ) => Extract<Message, { readonly type: Type }> | undefined;
};

/** Whether it is canonical base64 of at most `maxPayloadBytes`. */
export const isCarriedPayload = (payload: unknown): payload is string =>
  typeof payload === "string" && payload.length <= maxPayloadText && isBase64(payload);

const done = (): DoneMessage => ({ type: "done" });

const isCode = (otc: unknown): otc is string => typeof otc === "string" && isOneTimeCode(otc);

const clientReaders: Readers<ClientMessage<CarriedData>> = {
  listen: ({ otc }) => (isCode(otc) ? { type: "listen", otc } : undefined),
  connect: ({ otc }) => (isCode(otc) ? { type: "connect", otc } : undefined),
  work: ({ answer }) => (isCount(answer) ? { type: "work", answer } : undefined),
  data: ({ payload }) => (isCarriedPayload(payload) ? { type: "data", payload } : undefined),
  done,
};

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

const isExpiry = (value: unknown): value is number =>
  Number.isInteger(value) && Number(value) > 0 && Number(value) <= maxExpirySeconds;

const seedFormat = /^[\w-]{22}$/;

const relayReaders: Readers<RelayMessage> = {
  listening: ({ expiresIn }) => (isExpiry(expiresIn) ? { type: "listening", expiresIn } : undefined),
  peer_found: () => ({ type: "peer_found" }),
  challenge: ({ seed, bits }) =>
    typeof seed === "string" && seedFormat.test(seed) && isCount(bits) && bits >= 1 && bits <= maxWorkBits
      ? { type: "challenge", seed, bits }
      : undefined,
  error({ code }) {
    const known = relayErrorCodes.find((candidate) => candidate === code);
    return known && { type: "error", code: known };
  },
  data({ payload }) {
    const bytes = typeof payload === "string" ? fromBase64(payload) : undefined;
    return bytes && bytes.length <= maxPayloadBytes ? { type: "data", payload: bytes } : undefined;
  },
  done,
};

/**
 * Reads what a device sent. The result is a copy of the members the type has; others are dropped.
 *
 * @returns the message, or the failure `bad_message`; a message has a `type`, a failure has none
 */
export const parseClientMessage = (text: string): ClientMessage<CarriedData> | Failure =>
  read(text, clientReaders) ?? failure("bad_message");

/**
 * Reads what a relay sent. The result is a copy of the members the type has; others are dropped.
 *
 * @returns the message, or the failure `relay_protocol_error`; a message has a `type`, a failure has none
 */
export const parseRelayMessage = (text: string): RelayMessage | Failure =>
  read(text, relayReaders) ?? failure("relay_protocol_error");

/** The text frame of a message to a relay. @throws TypeError for a payload over `maxPayloadBytes` */
export const formatClientMessage = (message: ClientMessage<DataMessage | CarriedData>): string =>
  format(message);

/** The text frame of a message to a device. @throws TypeError for a payload over `maxPayloadBytes` */
export const formatRelayMessage = (message: RelayMessage<DataMessage | CarriedData>): string =>
  format(message);

function read<Message extends { readonly type: string }>(
  text: string,
  readers: Readers<Message>,
): Message | undefined {
  if (text.length > maxFrameBytes) return undefined;
  const members = parseObject(text);
  const type = members?.["type"];
  if (members === undefined || typeof type !== "string" || !Object.hasOwn(readers, type)) return undefined;
  return readers[type as Message["type"]](members);
}

function parseObject(text: string): Members | undefined {
  try {
    const value: JsonValue = JSON.parse(text);
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function format(message: ClientMessage | RelayMessage | CarriedData): string {
  if (message.type !== "data") return JSON.stringify(message);
  const payload = typeof message.payload === "string" ? message.payload : toBase64(message.payload);
  if (payload.length > maxPayloadText) throw new TypeError(`A payload has at most ${maxPayloadBytes} bytes.`);
  return `{"type":"data","payload":"${payload}"}`;
}
