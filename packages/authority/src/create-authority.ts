import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import type { Server } from "node:http";
import { Server as TlsServer } from "node:https";
import { join } from "node:path";
import { AmeshError, checkAudience } from "@authmesh/core";
import { auditRecorder, FanOutAuditSink } from "@authmesh/oath/audit";
import { tokensFeed } from "@authmesh/oath/feed";
import type { Hono } from "hono";
import { openRegistration } from "./accounts/open-registration.js";
import { type AuthorityOptions, completeOptions } from "./authority-options.js";
import { Challenges } from "./challenges/challenges.js";
import { DatabaseNonceStore } from "./database/database-nonce-store.js";
import { UnitedDevices } from "./devices/united-devices.js";
import { readAttestationRoots } from "./enrollment/attestation-roots.js";
import { Attestations } from "./enrollment/attestations.js";
import { EnrolledDevices } from "./enrollment/enrolled-devices.js";
import { openEnrollmentWebhook } from "./enrollment/enrollment-webhook.js";
import { LastUses } from "./enrollment/last-uses.js";
import { ExchangeOfPolicy } from "./exchange-of-policy.js";
import { HeadFile } from "./feed/head-file.js";
import { openRevocationFeed } from "./feed/open-revocation-feed.js";
import { TrustFeeds } from "./feed/trust-feeds.js";
import { addressBehind } from "./http/address-of.js";
import { createApp } from "./http/app.js";
import { dialledOrigin } from "./http/dialled-origin.js";
import { EventStreams } from "./http/event-streams.js";
import { createServer, followCertificate, listenOn } from "./http/listen-on.js";
import { RateLimit } from "./http/rate-limit.js";
import { KeyRing } from "./keys/key-ring.js";
import { createAuthorityMetrics } from "./metrics.js";
import { PolicyFile } from "./mint/policy-file.js";
import { type AuthorityState, openAuthorityState } from "./open-state.js";
import { Readiness } from "./readiness.js";
import { type Services, tell } from "./services.js";
import { startWarnings } from "./start-warnings.js";
import { StateTelling } from "./state-telling.js";
import { StateWatch } from "./state-watch.js";

/** An issuer of tokens. */
export interface Authority {
  /** The `iss` of its tokens. */
  readonly issuer: string;
  /** Its HTTP interface, for a server of your own. */
  readonly app: Hono;
  readonly state: AuthorityState;
  /** The file that says who may mint what. */
  readonly policyPath: string;
  /** @throws AmeshError `authority_cannot_listen` */
  listen(): Promise<{ readonly host: string; readonly port: number }>;
  /** Takes no further requests, finishes those under way within 10 seconds, and closes the database. */
  close(): Promise<void>;
}

const drainMs = 10_000;
/** Who waits for a decision, and who watches. */
const streamLimits = { most: 1000, mostOfOne: 3 };

/**
 * Opens an authority (docs/protocol.md, section 8.9): identity, database and signing keys are made on first start.
 *
 * @example
 * const authority = await createAuthority({ dir: "/var/lib/amesh", issuer: "https://issuer.example.com" });
 * await authority.listen();
 *
 * @throws AmeshError `database_unavailable`, `key_mismatch`, `authority_policy_invalid`, `authority_cannot_listen` for a
 * certificate that cannot be used, `invalid_option` for roots of TPMs that cannot be read, `package_missing` without a client library for Redis where one is named, and what keeps the identity from being opened or made
 * @throws TypeError for options that make no sense
 */
export async function createAuthority(given: AuthorityOptions): Promise<Authority> {
  const options = completeOptions(given);
  const state = await openAuthorityState({ ...options, create: true });
  const keys = new KeyRing({
    ...state,
    algorithm: options.algorithm,
    rotateAfter: options.rotateDays * 86_400,
    now: options.now,
  });
  let audit: FanOutAuditSink | undefined;
  try {
    audit = await openAudit(options, keys);
    return await start(options, { state, keys, audit });
  } catch (error) {
    await audit?.close();
    await state.close().catch(() => {});
    throw error;
  }
}

type Options = ReturnType<typeof completeOptions>;

interface Parts {
  readonly state: AuthorityState;
  readonly keys: KeyRing;
  readonly audit: FanOutAuditSink;
}

async function openAudit({ audit, logger }: Options, keys: KeyRing): Promise<FanOutAuditSink> {
  const sink = typeof audit === "function" ? await audit(keys.activeSigner) : audit;
  return auditRecorder(sink ?? new FanOutAuditSink([]), logger);
}

async function start(options: Options, { state, keys, audit }: Parts): Promise<Authority> {
  const { issuer, logger, now, host, port, tls, trustProxy, limits, publicRevocations, publicTokensFeed } =
    options;
  const { store, devices, enrollments, enrollmentStore } = state;
  const metrics = createAuthorityMetrics();
  const events = { audit, issuer, now };
  const policyPath = options.policy ?? join(state.dir, "policy.yaml");
  if (options.policy !== undefined && !existsSync(policyPath))
    throw new AmeshError("authority_policy_invalid", `There is no ${policyPath}.`);
  for (const warning of startWarnings(options)) logger.warn(warning);
  const policy = new PolicyFile(policyPath, {
    reloaded: (isThere) => {
      if (isThere) logger.info("the policy was read again");
      else logger.warn(`${policyPath} is gone: the policy grants nothing now`);
      tell(events, { type: "dev.authmesh.policy.reloaded", proven: true, data: {} });
    },
    refused: ({ message, fix }) => {
      logger.error(`the policy stays as it was: ${message}`, { fix });
      tell(events, { type: "dev.authmesh.policy.refused", proven: true, data: { detail: message } });
    },
  });
  const enrolled = new EnrolledDevices({ store: enrollmentStore, now });
  enrollments.onChange((enrollment, isGone) => enrolled.apply(enrollment, isGone));
  const uses = new LastUses(enrollments, now);
  const webhook = openEnrollmentWebhook(options.enrollmentWebhook, options.env ?? process.env, {
    issuer,
    audit,
    logger,
  });
  const nonces = new DatabaseNonceStore(store, now);
  const readiness = new Readiness({ store, devices, keys, nonces, audit, now });
  const telling = new StateTelling({
    store,
    audit,
    issuer,
    told: (event) => {
      if (event.type === "dev.authmesh.key.rotated" && event.data["of"] !== "feed")
        metrics.add("rotations_total", "");
      webhook?.tell(event);
    },
  });
  const feeds = new TrustFeeds({
    store: state.feeds,
    keys: state.feedKeys,
    heads: new HeadFile(join(state.dir, "feed-head.json")),
    issuer,
    metrics,
    logger,
    now,
  });
  await state.feeds.rememberIssuer(issuer);
  await state.feeds.create(tokensFeed);
  await feeds.restore();
  const watch = new StateWatch({
    store,
    devices,
    enrollments,
    enrolled,
    uses,
    keys,
    feeds,
    policy,
    readiness,
    tell: () => telling.tell(),
    logger,
    now,
  });
  await watch.look();

  const log = await store.settle("revocations_log", randomBytes(12).toString("base64url"));
  const audience = checkAudience(options.audience);
  const registering = await openRegistration(
    {
      mode: options.registration,
      mailFrom: options.mailFrom,
      store: state.registrations,
      accounts: enrollments,
      key: state.sealing.derive("activation"),
      issuer,
      logger,
      now,
    },
    options.env,
  );
  const challenges = new Challenges({ store, key: state.sealing.derive("challenges"), now });
  const { attestation } = options;
  const roots = attestation === undefined ? [] : readAttestationRoots(attestation.roots);
  const services: Services = {
    issuer,
    store,
    enrollmentStore,
    enrollments,
    challenges,
    attestations: new Attestations({ roots, challenges, key: state.sealing.derive("attestations"), now }),
    dialled: dialledOrigin({ issuer, audience, tls: tls !== undefined, trustProxy }),
    addressOf: addressBehind(trustProxy ? 1 : 0),
    keys,
    devices,
    feeds,
    enrolled,
    uses,
    policy: () => policy.policy,
    audit,
    tellChanges: () => telling.tell().catch(() => {}), // the watch does it again, and says what is wrong
    metrics,
    logger,
    now,
  };
  const exchanging = new ExchangeOfPolicy(services.policy, { issuer, nonces, now });
  const streams = new EventStreams(streamLimits);
  const callers = new UnitedDevices(devices, enrolled);
  callers.onChange(() => feeds.review());
  const app = createApp({
    services,
    streams,
    exchange: () => exchanging.current,
    device: {
      allowList: callers,
      nonceStore: nonces,
      audience,
      requireHostBinding: true,
      trustProxy,
      logger,
      audit,
    },
    limits: { address: new RateLimit(limits.address), caller: new RateLimit(limits.caller) },
    registration: registering?.registration,
    publicRevocations,
    publicTokensFeed,
    log,
    notReady: () => readiness.problem,
  });
  const server = createServer(app, tls);
  const { redisPrefix: prefix } = options;
  const feed = await openRevocationFeed({ store, issuer, log, prefix, metrics, logger, now }, options.env);
  let stopRenewing = () => {};
  let closing: Promise<void> | undefined;

  return {
    issuer,
    app,
    state,
    policyPath: policy.path,
    async listen() {
      const address = await listenOn(server, host, port);
      watch.start();
      feeds.start();
      feed?.start();
      if (tls !== undefined && server instanceof TlsServer)
        stopRenewing = followCertificate(server, tls, ({ message, fix }) =>
          logger.error(`the certificate stays as it was: ${message}`, { fix }),
        );
      logger.info("listening", { host: address.address, port: address.port });
      return { host: address.address, port: address.port };
    },
    close() {
      closing ??= stop();
      return closing;
    },
  };

  async function stop(): Promise<void> {
    stopRenewing();
    await feeds.close();
    streams.close();
    await drain(server);
    await watch.close();
    await uses.write().catch(() => {}); // a minute of last uses is all that is lost
    await feed?.close();
    exchanging.close();
    await registering?.close();
    await webhook?.close();
    await audit.close();
    await state.close();
  }
}

async function drain(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  // A stream of events that has just ended leaves its connection idle a moment later.
  const sweep = setInterval(() => server.closeIdleConnections(), 50);
  const cut = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearInterval(sweep);
  clearTimeout(cut);
}
