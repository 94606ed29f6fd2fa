import { randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Server } from "node:http";
import { Server as TlsServer } from "node:https";
import { join } from "node:path";
import { checkAudience, failure } from "@authmesh/core";
import type { Logger } from "@authmesh/sdk";
import type { Hono } from "hono";
import { auditRecorder } from "./audit-recorder.js";
import { type AuthorityOptions, completeOptions } from "./authority-options.js";
import { DatabaseNonceStore } from "./database/database-nonce-store.js";
import { ExchangeOfPolicy } from "./exchange-of-policy.js";
import { createApp } from "./http/app.js";
import { createServer, listenOn, renewCertificate } from "./http/listen-on.js";
import { RateLimit } from "./http/rate-limit.js";
import { KeyRing } from "./keys/key-ring.js";
import type { SigningKey } from "./keys/signing-key.js";
import { Metrics } from "./metrics.js";
import { PolicyFile } from "./mint/policy-file.js";
import { type AuthorityState, openAuthorityState } from "./open-state.js";
import { record, type Services } from "./services.js";
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

/**
 * Opens an authority (docs/protocol.md, section 8.9): identity, database and signing keys are made on first start.
 *
 * @example
 * const authority = await createAuthority({ dir: "/var/lib/amesh", issuer: "https://issuer.example.com" });
 * await authority.listen();
 *
 * @throws AmeshError `database_unavailable`, `key_mismatch`, `authority_policy_invalid`, `authority_cannot_listen` for a
 * certificate that cannot be used, and what keeps the identity from being opened or made
 * @throws TypeError for options that make no sense
 */
export async function createAuthority(given: AuthorityOptions): Promise<Authority> {
  const options = completeOptions(given);
  const state = await openAuthorityState({ ...options, create: true });
  try {
    return await start(options, state);
  } catch (error) {
    await state.close().catch(() => {});
    throw error;
  }
}

async function start(options: ReturnType<typeof completeOptions>, state: AuthorityState): Promise<Authority> {
  const { issuer, logger, now, host, port, tls, trustProxy, limits, publicRevocations } = options;
  const { store, devices, sealing } = state;
  const audit = auditRecorder(options.audit, logger);
  const metrics = new Metrics();
  const events = { audit, issuer, now };
  const keys = new KeyRing({
    store,
    sealing,
    algorithm: options.algorithm,
    rotateAfter: options.rotateDays * 86_400,
    now,
    onActive: (active) => inBackground(tellOfRotation(active), logger),
  });
  const policy = new PolicyFile(options.policy ?? join(state.dir, "policy.yaml"), {
    reloaded: () => {
      logger.info("the policy was read again");
      inBackground(record(events, { type: "dev.authmesh.policy.reloaded", proven: true, data: {} }), logger);
    },
    refused: ({ message, fix }) => {
      logger.error(`the policy stays as it was: ${message}`, { fix });
      const data = { detail: message };
      inBackground(record(events, { type: "dev.authmesh.policy.refused", proven: true, data }), logger);
    },
  });
  const watch = new StateWatch({ store, devices, keys, policy, logger, now });
  await watch.look();

  const services: Services = {
    issuer,
    store,
    keys,
    devices,
    policy: () => policy.policy,
    audit,
    metrics,
    logger,
    now,
  };
  const nonces = new DatabaseNonceStore(store, now);
  const exchanging = new ExchangeOfPolicy(services.policy, { issuer, nonces, now });
  const app = createApp({
    services,
    exchange: () => exchanging.current,
    device: {
      allowList: devices,
      nonceStore: nonces,
      audience: checkAudience(options.audience),
      requireHostBinding: true,
      trustProxy,
      logger,
      ...(options.audit === undefined ? {} : { audit: options.audit }),
    },
    trustedProxies: trustProxy ? 1 : 0,
    limits: { address: new RateLimit(limits.address), caller: new RateLimit(limits.caller) },
    publicRevocations,
    log: await store.settle("revocations_log", randomBytes(12).toString("base64url")),
    notReady: () => devices.check() ?? (keys.hasSigner ? undefined : failure("authority_not_ready")),
  });
  const server = createServer(app, tls);
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
      if (tls !== undefined && server instanceof TlsServer)
        stopRenewing = renewCertificate(server, tls, (error) =>
          logger.error(`the renewed certificate cannot be used: ${String(error)}`),
        );
      logger.info("listening", { host: address.address, port: address.port });
      return { host: address.address, port: address.port };
    },
    close() {
      closing ??= stop();
      return closing;
    },
  };

  /** Once for all replicas, also where it was `amesh keys rotate` that made the key the active one. */
  async function tellOfRotation({ kid, publicJwk }: SigningKey): Promise<void> {
    const mine = randomBytes(12).toString("base64url");
    if ((await store.settle(`rotation_told_${kid}`, mine)) !== mine) return;
    metrics.add("rotations_total");
    const data = { kid, alg: publicJwk.alg };
    await record(events, { type: "dev.authmesh.key.rotated", proven: true, data });
  }

  async function stop(): Promise<void> {
    stopRenewing();
    await drain(server);
    await watch.close();
    exchanging.close();
    await audit.close();
    await state.close();
  }
}

async function drain(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, "close");
  server.close();
  server.closeIdleConnections();
  const cut = setTimeout(() => server.closeAllConnections(), drainMs);
  await closed;
  clearTimeout(cut);
}

/** What no request waits for. */
function inBackground(told: Promise<void>, logger: Logger): void {
  told.catch((error: unknown) => logger.error(`the audit could not be told: ${String(error)}`));
}
