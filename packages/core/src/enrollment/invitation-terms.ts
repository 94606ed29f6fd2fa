import { integer, type Reader } from "../records.js";

/** Requests that one invitation may be good for. */
export const mostInvitationUses = 10_000;

export const invitationUses: Reader<number> = integer(1, mostInvitationUses);
