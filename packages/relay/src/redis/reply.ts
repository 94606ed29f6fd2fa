import { type RelayErrorCode, relayErrorCodes } from "@authmesh/core";

/** What a script answered. */
export interface Reply {
  readonly word: string;
  readonly first: unknown;
  readonly second: unknown;
}

/** Why a script did not do as it was asked. */
export const refusalOf = ({ word }: Reply): RelayErrorCode =>
  relayErrorCodes.find((code) => code === word) ?? "relay_store_unavailable";

/** Places in a list that the script was given, from 0; Redis counts from 1. */
export const placesIn = (list: unknown): number[] =>
  Array.isArray(list) ? list.map((place) => Number(place) - 1) : [];
