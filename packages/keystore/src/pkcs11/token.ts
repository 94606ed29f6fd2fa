import { AmeshError, quoteForeign } from "@authmesh/core";
import { type Cryptoki, type Handle, mechanism, type TokenInfo, tokenFlag } from "./cryptoki.js";
import { TokenLost } from "./return-codes.js";

/** Which token it is. The serial number stays, the label is given whenever a token is initialised. */
export interface TokenName {
  readonly label: string;
  readonly serial: string;
}

/** A token in its slot. */
export interface Token extends TokenName {
  readonly slot: Handle;
  readonly flags: number;
  /** "SoftHSM project SoftHSM v2, firmware 2.6" */
  readonly hardware: string;
}

/** The tokens that are there and were initialised. */
export function presentTokens(api: Cryptoki): readonly Token[] {
  return api.C_GetSlotList(true).flatMap((slot) => {
    const info = infoOf(api, slot);
    return info === undefined || (info.flags & tokenFlag.initialized) === 0 ? [] : [describe(slot, info)];
  });
}

/** Nothing of a token that cannot be read, or was pulled out just now: another one may be meant. */
function infoOf(api: Cryptoki, slot: Handle): TokenInfo | undefined {
  try {
    return api.C_GetTokenInfo(slot);
  } catch {
    return undefined;
  }
}

function describe(slot: Handle, info: TokenInfo): Token {
  const maker = `${info.manufacturerID} ${info.model}`.replace(/[^\x21-\x7e]+/g, " ").trim();
  const { major, minor } = info.firmwareVersion;
  return {
    slot,
    label: text(info.label),
    serial: text(info.serialNumber),
    flags: info.flags,
    hardware: `${maker}, firmware ${major}.${minor}`,
  };
}

/** Some modules fill up with zero bytes. */
const text = (padded: string) => padded.replace(/[ \0]+$/, "");

/**
 * The token that a person means: the one of this label or serial number, or the only one.
 *
 * @throws AmeshError `invalid_option`, `key_store_unavailable`
 */
export function chooseToken(tokens: readonly Token[], name: string | undefined): Token {
  const [first, second] = tokens.filter(
    ({ label, serial }) => name === undefined || name === label || name === serial,
  );
  if (first !== undefined && second === undefined) return first;
  if (tokens.length === 0)
    throw new TokenLost("key_store_unavailable", "There is no token in its slot.", {
      fix: "Put the token in, or make one with its own tool.",
    });
  const named = name === undefined ? "" : ` ${quoteForeign(name)}`;
  const problem =
    first === undefined
      ? `There is no token${named}`
      : `Several tokens may be meant${named && ` by${named}`}`;
  const there = tokens
    .map(({ label, serial }) => `${quoteForeign(label)} (${quoteForeign(serial)})`)
    .join(", ");
  throw new TokenLost("invalid_option", `${problem}; there are: ${there}.`, {
    fix: "Name one with --token: its label, or its serial number.",
  });
}

const replaceLost =
  "run `amesh init --replace-lost --backend pkcs11 --module PATH --token NAME`, or without these for another key store.";

/**
 * The token that holds a key.
 *
 * @throws AmeshError `key_store_changed` when another one is in its place, or it was initialised anew;
 * `key_store_unavailable` when it is away
 */
export function expectToken(tokens: readonly Token[], wanted: TokenName): Token {
  const has = (property: keyof TokenName) => (token: Token) => token[property] === wanted[property];
  const found = tokens.filter(has("serial")).find(has("label"));
  if (found !== undefined) return found;
  const named = `${quoteForeign(wanted.label)} (${quoteForeign(wanted.serial)})`;
  const similar = tokens.find(has("serial")) ?? tokens.find(has("label"));
  if (similar === undefined)
    throw new TokenLost("key_store_unavailable", `The token ${named} is not in its slot.`, {
      fix: "Put the token in that holds the key.",
    });
  const instead = `${quoteForeign(similar.label)} (${quoteForeign(similar.serial)})`;
  throw new TokenLost("key_store_changed", `The token ${named} is not there, but ${instead} is.`, {
    fix: `Put the token in that holds the key. If it was initialised anew, the key is gone: ${replaceLost}`,
  });
}

/**
 * Holds a token to what is needed of it, before anything is asked of a person.
 *
 * @throws AmeshError `key_store_unavailable`
 */
export function checkAbilities(api: Cryptoki, { slot, flags }: Token): void {
  if ((flags & tokenFlag.loginRequired) === 0)
    throw unfit("it gives what it holds to everybody, without a PIN", "Set a PIN with its own tool.");
  if ((flags & tokenFlag.userPinInitialized) === 0)
    throw unfit("nobody has set its PIN", "Set one with its own tool.");
  for (const needed of [mechanism.ecKeyPairGeneration, mechanism.ecdsa]) api.C_GetMechanismInfo(slot, needed);
}

const unfit = (reason: string, fix: string) =>
  new AmeshError("key_store_unavailable", `The token cannot be used: ${reason}.`, { fix });
