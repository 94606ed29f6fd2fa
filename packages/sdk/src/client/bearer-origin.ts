import { AmeshError, quoteForeign } from "@authmesh/core";
import { trustworthyUrl } from "@authmesh/oath/caller";

/**
 * Where tokens go that are good for whoever has them: over TLS, or on this machine, and to one origin, the first that
 * a client called. A URL that somebody else wrote then earns nobody a token.
 */
export class BearerOrigin {
  readonly #isNamed: boolean;
  #first: string | undefined;

  /** @param isNamed whether the client has an audience, which says where it may call */
  constructor(isNamed: boolean) {
    this.#isNamed = isNamed;
  }

  /** @throws AmeshError `host_mismatch`, before a token is asked for */
  admit({ origin: given }: URL): void {
    const origin = given.replace(/^ws/, "http");
    if (trustworthyUrl(origin) === undefined)
      throw refused(
        `${quoteForeign(origin)} is not https, and whoever sees the token on its way can use it`,
        'Call https, or bind the tokens: createClient({ token: { proof: true } }) or { bind: "request" }.',
      );
    this.#first ??= origin;
    if (this.#isNamed || origin === this.#first) return;
    throw refused(
      `this client's tokens are for ${quoteForeign(this.#first)}, which it called first, and not for ${quoteForeign(origin)}`,
      "Name every host in createClient({ audience }), or make a client for each service.",
    );
  }
}

const refused = (reason: string, fix: string): AmeshError =>
  new AmeshError("host_mismatch", `Nothing was sent: ${reason}.`, { fix });
