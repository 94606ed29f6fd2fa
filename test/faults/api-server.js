/**
 * One of two instances of an API. Its settings are the first argument, in JSON. `without` names one protection that it goes
 * without: so that it is seen that a run finds out.
 */
import { openSync } from "node:fs";
import { InMemoryNonceStore, PublicKey, spendingProblem } from "@authmesh/core";
import { FanOutAuditSink } from "@authmesh/oath/audit";
import { FileAuditSink } from "@authmesh/oath/node";
import { verify, verifyToken } from "@authmesh/sdk";
import { feedStatuses } from "@authmesh/sdk/feed";
import { RedisNonceStore } from "@authmesh/sdk/redis";
import express from "express";

const {
  host,
  port,
  name,
  audience,
  tokenAudience,
  redisUrl,
  authority,
  account,
  maxStale,
  replayScope,
  log,
  known,
  without,
} = JSON.parse(process.argv[2]);

const nonces = without === "shared memory" ? new InMemoryNonceStore() : new RedisNonceStore({ redisUrl });
const audit =
  without === "audit" ? undefined : new FanOutAuditSink([new FileAuditSink({ path: log })], { require: 1 });
const followed = without === "feed" ? {} : { authority, account, maxStale };
const leaked = [];
/** For requests under way. */
const drainMs = 3000;
/** From its start on. */
const idleMs = 8000;
const app = express();
let isStopping = false;

/** Trusts for ever whom it knew when it began. */
const frozen = () => {
  const devices = known.map((key) => {
    const publicKey = PublicKey.fromBase64(key);
    return { deviceId: publicKey.deviceId, publicKey, friendlyName: "caller", role: "controller" };
  });
  const found = (is) => {
    const device = devices.find(is);
    return device && { ...device, status: "active", bound: true, scopes: {} };
  };
  return {
    check: () => undefined,
    find: (key) => found(({ publicKey }) => publicKey.base64 === key),
    findById: (id) => found(({ deviceId }) => deviceId === id),
    isRevoked: () => false,
    audience: [audience],
    onChange: () => () => {},
  };
};

function problem() {
  if (without === "readiness") return undefined;
  const feed = feedStatuses().find(({ stale }) => stale);
  if (feed !== undefined) return "trust_stale";
  const lost = spendingProblem({ nonces, clockSkewSeconds: 30, now: Date.now });
  return lost?.code ?? (audit?.working === false ? "audit_unavailable" : undefined);
}

/** Refusals are 403, and that is all. */
function sayNothing(response) {
  const [writeHead, end] = [response.writeHead.bind(response), response.end.bind(response)];
  response.writeHead = (status, headers) => {
    if (status < 400) return writeHead(status, headers);
    response.end = () => end();
    return writeHead(403);
  };
}

const refuse = (response) => response.status(503).json({ error: "trust_stale" });

app.get("/ready", (_, response) => {
  const reason = problem();
  response.status(reason === undefined ? 200 : 503).json({ reason });
});
app.use((_, response, next) => {
  if (isStopping) response.setHeader("Connection", "close");
  if (without === "release") leaked.push(Buffer.alloc(512 * 1024, 1), openSync("/dev/null"));
  if (without === "reasons") sayNothing(response);
  if (without === "service" && performance.now() < idleMs) return refuse(response);
  if (without === "copy of the feed" && feedStatuses().some(({ connected }) => !connected))
    return refuse(response);
  next();
});
app.use(
  "/device",
  verify({
    audience,
    audit,
    nonceStore: nonces,
    ...followed,
    ...(without === "feed" && { allowList: frozen() }),
  }),
);
app.use(
  "/token",
  verifyToken({
    audience: tokenAudience,
    hosts: audience,
    trustedIssuers: [authority.url],
    policy: "none",
    replay: nonces,
    replayScope,
    audit,
    ...followed,
  }),
);
app.use((_, response) => response.send(name));

const server = app.listen(port, host);
server.keepAliveTimeout = 65_000;
process.once("SIGTERM", () => {
  isStopping = true;
  server.close(async () => {
    await audit?.close();
    process.exit();
  });
  setTimeout(() => server.closeAllConnections(), drainMs).unref();
});
