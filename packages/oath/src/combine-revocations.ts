import type { RevocableToken, RevocationSource } from "./revocation.js";

/**
 * Asks several lists, as for several issuers. A token is revoked if one of them says so; if one cannot be asked, nobody
 * knows, and `find` raises what that one raised.
 */
export function combineRevocations(...sources: readonly RevocationSource[]): RevocationSource {
  const askFrom = (first: number, token: RevocableToken): ReturnType<RevocationSource["find"]> => {
    for (let i = first; i < sources.length; i++) {
      const found = sources[i]?.find(token);
      if (found instanceof Promise) return found.then((each) => each ?? askFrom(i + 1, token));
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return {
    find: (token) => askFrom(0, token),
    async close() {
      for (const each of sources) await each.close?.();
    },
  };
}
