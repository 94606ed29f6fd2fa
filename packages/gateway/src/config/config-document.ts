import type { JsonObject } from "@authmesh/core";
import {
  about,
  flag,
  listOf,
  mapOf,
  number,
  oneOf,
  oneOrMore,
  orFalse,
  record,
  type Shape,
  text,
} from "@authmesh/oath/document";
import { defaults } from "./defaults.js";
import type { GatewayConfig } from "./gateway-config.js";
import { routeShape } from "./route-shape.js";
import {
  account,
  address,
  deviceId,
  file,
  folder,
  healthPath,
  hostWithPort,
  issuer,
  name,
  origin,
  redisUrl,
  thumbprint,
  visible,
} from "./texts.js";

const port = number(0, 65_535);
const seconds = (least: number) => number(least, 86_400, { whole: false });
const bytes = number(0, Number.MAX_SAFE_INTEGER);
const count = number(1, 1_000_000);

const tls = record(
  {
    cert: about("PEM file with the certificate and its chain; looked at again every few seconds.", file),
    key: about("PEM file with the certificate's private key.", file),
    clientCa: about(
      "PEM file with the authorities of client certificates. Without it nobody is asked for a certificate.",
      file,
    ),
    requireClientCert: about(
      "Refuse connections without a client certificate. Default true where `clientCa` is given.",
      flag,
    ),
  },
  { required: ["cert", "key"] },
);

const listen = record({
  host: about("Address to listen on.", address, defaults.listen.host),
  port: about("Port to listen on; 0 takes a free one.", port, defaults.listen.port),
  tls: about("Speak TLS, and HTTP/2 to callers that want it.", tls),
});

const admin = record({
  host: about("Address to listen on.", address, defaults.admin.host),
  port: about("Port to listen on; 0 takes a free one.", port, defaults.admin.port),
});

const devices = record({
  requireHostBinding: about(
    "Refuse devices that do not bind their requests to a host.",
    flag,
    defaults.devices.requireHostBinding,
  ),
  clockSkewSeconds: about(
    "How far clocks may differ, in seconds.",
    number(0, 300),
    defaults.devices.clockSkewSeconds,
  ),
  revokers: about(
    "Ids of devices that may revoke for the fleet. Needs `redis`. Default: the gateway's own.",
    listOf(deviceId, 1000),
  ),
});

const tokens = record(
  {
    issuers: about("URLs of the issuers to trust, letter by letter as in `iss`.", oneOrMore(issuer, 64)),
    audience: about("For whom tokens must be, letter by letter as in `aud`.", oneOrMore(visible, 64)),
    policy: about(
      'File or folder of the policy that decides on tokens; "none" lets every verified token in.',
      file,
    ),
    use: about(
      "Whether a token passes once, or again and again until it expires.",
      oneOf("once", "until-expiry"),
      defaults.tokens.use,
    ),
    requireRequestBinding: about(
      "Refuse tokens that are not bound to their request.",
      flag,
      defaults.tokens.requireRequestBinding,
    ),
    replayScope: about(
      "Which verifiers take a token once between them. A service behind that verifies the same token has another.",
      visible,
      defaults.tokens.replayScope,
    ),
  },
  { required: ["issuers", "audience", "policy"] },
);

const authority = record(
  {
    url: about("URL of the authority whose trust feeds are followed.", issuer),
    key: about("Thumbprint of its feed key. Default: the first that is seen is pinned.", thumbprint),
    account: about("The account whose devices are let in, and whose tokens alone.", account),
    maxStaleSeconds: about(
      "Seconds after which a feed is too old to decide by.",
      seconds(1),
      defaults.authority.maxStaleSeconds,
    ),
  },
  { required: ["url"] },
);

const redis = record(
  {
    url: about("URL of the Redis, without a password.", redisUrl),
    urlFile: about("File with the URL, for one with a password.", file),
  },
  { notEmpty: true },
);

const context = record({
  headers: about(
    "Names of the headers that tell upstreams who called: `X-AuthMesh-…`, `X-OathMesh-…`, or both.",
    oneOf("authmesh", "oathmesh", "both"),
    defaults.context.headers,
  ),
  token: about(
    "The signed form of the same, for routes that ask for it.",
    record({
      issuer: about("Its `iss`.", visible, defaults.context.token.issuer),
      audience: about("Its `aud`. Default: the name of the upstream.", visible),
      keyFile: about(
        "PEM file (PKCS#8) with the P-256 key that signs it, where several gateways share one. Default: a key that lives as long as the process.",
        file,
      ),
    }),
  ),
});

const health = record(
  {
    path: about("Asked by GET; a status from 200 to 399 is healthy.", healthPath),
    intervalSeconds: about(
      "Seconds between two questions.",
      seconds(0.1),
      defaults.upstream.health.intervalSeconds,
    ),
    timeoutSeconds: about(
      "Seconds that an answer may take.",
      seconds(0.1),
      defaults.upstream.health.timeoutSeconds,
    ),
    failures: about(
      "Failures in a row after which a server is asked no more, until it answers again.",
      number(1, 100),
      defaults.upstream.health.failures,
    ),
  },
  { required: ["path"] },
);

const upstream = record(
  {
    urls: about(
      "The servers, as scheme, host and port. The one with the fewest requests under way is asked.",
      oneOrMore(origin, 256),
    ),
    host: about(
      "Which Host the servers get: the caller's, or their own.",
      oneOf("caller", "upstream"),
      defaults.upstream.host,
    ),
    maxConnections: about("Connections to each of the servers.", count, defaults.upstream.maxConnections),
    connectTimeoutSeconds: about(
      "Seconds that a connection may take.",
      seconds(0.1),
      defaults.upstream.connectTimeoutSeconds,
    ),
    health: about("How servers are checked. Default: they are not.", health),
    ca: about("PEM file with the authorities of the servers' certificates. Default: those of Node.js.", file),
  },
  { required: ["urls"] },
);

const members = {
  version: about("Of this format.", oneOf(1)),
  $schema: about("For editors; says nothing.", text("^[!-~]{1,2048}$", "an address")),
  listen: about("Where callers connect.", listen),
  admin: about(
    "Where `/health`, `/ready`, `/metrics` and the keys of context tokens are; `false`: nowhere.",
    orFalse(admin),
  ),
  audience: about(
    "The hosts that callers name, with the port where it is not the scheme's. Default: AMESH_AUDIENCE, else what `amesh init --audience` sealed.",
    oneOrMore(hostWithPort, 256),
  ),
  identity: about(
    "Folder of the identity whose allow list decides. Default: AUTH_MESH_DIR, else ~/.amesh.",
    folder,
  ),
  trustProxy: about(
    "How many proxies in front append to X-Forwarded-For.",
    number(0, 16),
    defaults.trustProxy,
  ),
  devices: about("How signatures of devices are verified.", devices),
  tokens: about("How tokens are verified. Without it none is accepted.", tokens),
  authority: about("An authority whose trust feeds are followed.", authority),
  redis: about(
    "Where nonces, used tokens and the fleet's revocations are shared. Default: AMESH_REDIS_URL, else the memory of this process.",
    redis,
  ),
  audit: about('File for audit events, or "-" for standard output. Default: nowhere.', file),
  context: about("How upstreams are told who called.", context),
  caseSensitive: about(
    "Tell paths of routes apart by case. Many services do not, so that it is safer not to.",
    flag,
    defaults.caseSensitive,
  ),
  spoolBytes: about(
    "Largest sum of bodies that wait to be verified, in memory and on disk, in bytes.",
    bytes,
    defaults.spoolBytes,
  ),
  maxConnections: about("Connections of callers.", count, defaults.maxConnections),
  maxWebSockets: about("Of these, WebSockets.", number(0, 1_000_000), defaults.maxWebSockets),
  drainSeconds: about(
    "Seconds that requests under way get when the gateway is told to stop.",
    number(0, 3600, { whole: false }),
    defaults.drainSeconds,
  ),
  upstreams: about("The services behind the gateway, by names of your choice.", mapOf(name, upstream, 1000)),
  routes: about(
    "What is let through to where. What no route names is not let through.",
    listOf(routeShape, 10_000, 1),
  ),
} satisfies Readonly<Record<keyof GatewayConfig, Shape>>;

/** What a configuration is, as far as its members can be looked at one by one. */
export const configShape = record(members, { required: ["version", "routes"] });

/** The JSON Schema (2020-12) of a configuration; also `@authmesh/gateway/gateway-1.json`. */
export const gatewaySchema: JsonObject = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  $id: "https://authmesh.dev/schema/gateway-1.json",
  title: "amesh gateway, version 1",
  ...configShape.schema,
};
