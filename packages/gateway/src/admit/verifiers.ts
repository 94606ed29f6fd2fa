import { type AuditSink, type Failure, failure, spendingProblem } from "@authmesh/core";
import type { Logger } from "@authmesh/oath/logger";
import type { FeedOptions } from "@authmesh/sdk/feed";
import {
  createRequestGuard,
  createTokenGuard,
  issuerKeys,
  type RequestGuard,
  type TokenGuard,
} from "@authmesh/sdk/guard";
import { RedisRevocations } from "@authmesh/sdk/redis";
import type { AuthorityConfig } from "../config/gateway-config.js";
import type { RouteSettings, VerificationSettings } from "../config/settings.js";
import { openAuditLog } from "./audit-log.js";
import { type Memories, type MemoryScene, openMemories } from "./memories.js";
import type { Lease } from "./shared-parts.js";

/** What decides on the requests of a gateway. */
export interface Verifiers {
  /** Undefined where no route accepts a device's proof. */
  readonly devices: RequestGuard | undefined;
  /** @throws TypeError for a route that accepts no tokens */
  tokensOf(route: RouteSettings): TokenGuard;
  /** Why nobody can be let in now. */
  check(): Failure | undefined;
}

/** What both kinds are made with. */
interface Common {
  readonly lease: Lease;
  readonly logger: Logger;
  readonly settings: VerificationSettings;
  readonly audit: AuditSink | undefined;
  readonly memories: Memories;
}

/** A route's own limits are in its requests. */
const bodies = { maxBodyBytes: Number.MAX_SAFE_INTEGER, maxPendingBodies: 4096 };

/**
 * One guard for devices, whatever the number of routes, and one for each policy of tokens.
 *
 * @throws AmeshError `audit_unavailable`, `storage_failed`; TypeError for settings that make no sense
 */
export async function openVerifiers(
  settings: VerificationSettings,
  routes: readonly RouteSettings[],
  { lease, logger, before }: MemoryScene,
): Promise<Verifiers> {
  const guarded = routes.filter((route) => !route.public);
  const audit = await openAuditLog(settings.audit, lease, logger);
  const memories = openMemories(settings, { lease, logger, before });
  const common: Common = { lease, logger, settings, audit, memories };
  const devices = guarded.some(acceptsDevices) ? deviceGuard(common) : undefined;
  const policyOf = ({ policy }: RouteSettings) => policy ?? settings.tokens?.policy;
  const policies = new Set(guarded.filter(({ accept }) => accept.has("token")).map(policyOf));
  const tokens = new Map([...policies].map((policy) => [policy, tokenGuard(policy, common)]));
  return {
    devices,
    tokensOf(route) {
      const guard = tokens.get(policyOf(route));
      if (guard === undefined) throw new TypeError(`The route ${route.name} accepts no tokens.`);
      return guard;
    },
    check() {
      if (audit?.working === false) return failure("audit_unavailable");
      for (const guard of [devices ?? [], ...tokens.values()].flat()) {
        const problem = guard.check();
        if (problem !== undefined) return problem;
      }
      if (guarded.length === 0) return undefined;
      const { clockSkewSeconds } = settings;
      return spendingProblem({ nonces: memories.nonces, clockSkewSeconds, now: Date.now });
    },
  };
}

export const acceptsDevices = ({ accept }: RouteSettings): boolean =>
  accept.has("device") || accept.has("http-signature");

function deviceGuard({ lease, logger, settings, audit, memories }: Common): RequestGuard {
  const { audience, identity, requireHostBinding, clockSkewSeconds, revokers, authority, redisUrl } =
    settings;
  const followed = authority?.account === undefined ? undefined : authority;
  const dependsOn = {
    audience,
    identity,
    requireHostBinding,
    clockSkewSeconds,
    revokers,
    followed,
    redisUrl,
  };
  const { guard } = lease.take(
    "devices",
    { ...dependsOn, audit: settings.audit },
    () => {
      const fleet = redisUrl === undefined ? undefined : new RedisRevocations(redisUrl);
      return {
        fleet,
        guard: createRequestGuard({
          ...bodies,
          ...feedsOf(followed),
          ...given({ audience, allowList: identity, revokers, audit, revocations: fleet }),
          requireHostBinding,
          clockSkewSeconds,
          nonceStore: memories.nonces,
          logger,
        }),
      };
    },
    async ({ guard, fleet }) => {
      await guard.close();
      await fleet?.close();
    },
  );
  return guard;
}

function tokenGuard(
  policy: string | undefined,
  { lease, logger, settings, audit, memories }: Common,
): TokenGuard {
  const { audience, identity, authority, redisUrl } = settings;
  const { tokens } = settings;
  if (tokens === undefined) throw new TypeError("A route accepts tokens, and none are configured.");
  const { use = "once", requireRequestBinding = false, replayScope = "gateway" } = tokens;
  const issuers = [tokens.issuers].flat();
  const keys = lease.take(
    "issuer keys",
    issuers,
    () => {
      const source = issuerKeys(issuers, logger);
      source.preWarm?.().catch(() => {}); // the log has it, and the first request asks again
      return source;
    },
    (source) => source.close?.(),
  );
  return lease.take(
    "tokens",
    {
      policy,
      tokens: { ...tokens, policy: "" },
      audience,
      identity,
      authority,
      redisUrl,
      audit: settings.audit,
    },
    () =>
      createTokenGuard({
        ...bodies,
        ...feedsOf(authority),
        audience: tokens.audience,
        trustedIssuers: issuers,
        keys,
        replay: memories.usedTokens,
        replayScope,
        tokenUse: use,
        requireRequestBinding,
        hosts: audience,
        identity,
        policy,
        audit,
        logger,
      }),
    (guard) => guard.close(),
  );
}

function feedsOf(authority: AuthorityConfig | undefined): FeedOptions {
  if (authority === undefined) return {};
  const { url, key, account, maxStaleSeconds } = authority;
  return { authority: key === undefined ? url : { url, key }, account, maxStale: maxStaleSeconds };
}

type Given<T> = { readonly [Name in keyof T]?: Exclude<T[Name], undefined> };

/** Less what is undefined. */
const given = <T extends object>(options: T): Given<T> =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Given<T>;
