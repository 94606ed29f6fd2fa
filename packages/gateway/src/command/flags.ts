import type { Place } from "@authmesh/oath/document";

/** The upstream that `--upstream` names the servers of. */
export const simpleUpstream = "service";

export type CommandName = "serve" | "check" | "schema" | "authz";

/** An option of the command line. */
export interface Flag {
  /** What stands behind it: "URL". Without it the flag stands alone. */
  readonly value?: string;
  readonly many?: true;
  /** Of whole numbers. */
  readonly number?: true;
  readonly about: string;
  /** The member of a configuration that it stands for. */
  readonly at?: Place;
  /** What it says there where it stands alone. Default true. */
  readonly says?: boolean;
  /** It may stand beside a configuration file, and takes the place of what that says. */
  readonly besideFile?: true;
  readonly for: readonly CommandName[];
}

const verifying: readonly CommandName[] = ["serve", "check", "authz"];
const proxying: readonly CommandName[] = ["serve", "check"];

/** Every option of the gateway, by its name; the help text has them in this order. */
export const flags = {
  upstream: {
    value: "URL",
    many: true,
    about: "server to send requests on to: http://127.0.0.1:8080",
    at: ["upstreams", simpleUpstream, "urls"],
    for: proxying,
  },
  audience: {
    value: "HOST",
    many: true,
    about: "host that callers name (AMESH_AUDIENCE)",
    at: ["audience"],
    for: verifying,
  },
  host: {
    value: "ADDRESS",
    about: "address to listen on (HOST; default 127.0.0.1)",
    at: ["listen", "host"],
    besideFile: true,
    for: verifying,
  },
  port: {
    value: "N",
    number: true,
    about: "port to listen on, 0 for a free one (PORT; default 8088, of authz 8089)",
    at: ["listen", "port"],
    besideFile: true,
    for: verifying,
  },
  proxy: {
    value: "NAME",
    about: "who asks: nginx, caddy, traefik or envoy",
    besideFile: true,
    for: ["authz"],
  },
  "path-prefix": {
    value: "PATH",
    about: "what Envoy writes before the path: its path_prefix",
    besideFile: true,
    for: ["authz"],
  },
  "admin-port": {
    value: "N",
    number: true,
    about: "port of /health, /ready and /metrics (default 9090, of authz none)",
    at: ["admin", "port"],
    for: verifying,
  },
  "no-admin": { about: "do not serve these", at: ["admin"], says: false, for: proxying },
  identity: {
    value: "DIR",
    about: "folder of the identity whose allow list decides (AUTH_MESH_DIR)",
    at: ["identity"],
    for: verifying,
  },
  issuer: {
    value: "URL",
    many: true,
    about: "accept tokens of this issuer too",
    at: ["tokens", "issuers"],
    for: verifying,
  },
  "token-audience": {
    value: "NAME",
    many: true,
    about: "for whom tokens must be",
    at: ["tokens", "audience"],
    for: verifying,
  },
  policy: {
    value: "FILE",
    about: 'policy that decides on tokens, or "none"',
    at: ["tokens", "policy"],
    for: verifying,
  },
  scope: {
    value: "SCOPE",
    many: true,
    about: "what callers must hold: orders:w",
    at: ["routes", 0, "scope"],
    for: verifying,
  },
  headers: {
    value: "NAMES",
    about: "headers that say who called: authmesh (default), oathmesh or both",
    at: ["context", "headers"],
    for: verifying,
  },
  "web-socket": {
    about: "follow upgrades to WebSocket",
    at: ["routes", 0, "webSocket"],
    for: proxying,
  },
  cert: {
    value: "FILE",
    about: "PEM file with the certificate and its chain: speak TLS and HTTP/2",
    at: ["listen", "tls", "cert"],
    for: proxying,
  },
  key: {
    value: "FILE",
    about: "PEM file with the certificate's private key",
    at: ["listen", "tls", "key"],
    for: proxying,
  },
  "trust-proxy": {
    value: "N",
    number: true,
    about: "proxies in front that append to X-Forwarded-For",
    at: ["trustProxy"],
    for: verifying,
  },
  "redis-url-file": {
    value: "FILE",
    about: "file with the URL of the Redis where nonces and used tokens are shared",
    at: ["redis", "urlFile"],
    for: verifying,
  },
  audit: {
    value: "FILE",
    about: "where every decision is recorded, - for standard output",
    at: ["audit"],
    for: verifying,
  },
  config: {
    value: "FILE",
    about: "the configuration, as FILE (AMESH_GATEWAY_CONFIG)",
    besideFile: true,
    for: verifying,
  },
  authz: {
    about: "as `gateway authz` reads it: routes need no upstream",
    besideFile: true,
    for: ["check"],
  },
  json: { about: "answer in JSON", besideFile: true, for: ["serve", "check", "schema", "authz"] },
} as const satisfies Readonly<Record<string, Flag>>;

export type FlagName = keyof typeof flags;

export const flagRows: readonly (readonly [name: FlagName, flag: Flag])[] = Object.entries(flags) as [
  FlagName,
  Flag,
][];
