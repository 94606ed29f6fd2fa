import { AmeshError, type JsonObject } from "@authmesh/core";
import { type OpenIdentity, openIdentity, readEnrollment } from "@authmesh/keystore";
import { createClient } from "../client/create-client.js";
import { AuthorityClient } from "./authority-client.js";
import type { EnrollOptions } from "./options.js";

/** This machine, and the authority that it asks. */
export interface EnrolledMachine {
  readonly open: OpenIdentity;
  readonly authority: AuthorityClient;
  readonly signal: AbortSignal | undefined;
}

/** @throws AmeshError `input_required` where no authority is named or remembered, and what `openIdentity` throws */
export async function openMachine(options: EnrollOptions): Promise<EnrolledMachine> {
  const open = await openIdentity(options);
  const { enrollment, authority: known } = readEnrollment(open.dir);
  const authority = options.authority ?? enrollment?.authority ?? known;
  if (authority !== undefined)
    return { open, authority: new AuthorityClient(authority, options), signal: options.signal };
  throw new AmeshError("input_required", "This machine was never enrolled, so it knows no authority.", {
    fix: "Name it: --authority URL, or the option `authority`.",
  });
}

/** As `openMachine`, for what its key signs. */
export async function openSigningClient(options: EnrollOptions): Promise<AuthorityClient> {
  const { open, authority } = await openMachine(options);
  const { fetch = globalThis.fetch, now } = options;
  const client = createClient({
    identity: open,
    session: false,
    fetch,
    ...(now === undefined ? {} : { now }),
  });
  return authority.with({ fetch: client.fetch, signal: options.signal });
}

/** Asks with a request that this machine's key signs. @throws AmeshError as `openMachine` and `AuthorityClient.ask` */
export const askSigned = async (
  options: EnrollOptions,
  ...question: Parameters<AuthorityClient["ask"]>
): Promise<JsonObject> => (await openSigningClient(options)).ask(...question);
