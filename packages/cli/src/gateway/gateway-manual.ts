import { keyStoreEnvironment } from "../key-store-environment.js";
import type { ArgumentManual, OptionManual, Row } from "../manual.js";

export const fileArgument: ArgumentManual = {
  name: "FILE",
  about: "the configuration, in YAML or JSON; without one the options are the configuration",
  optional: true,
};

/** How callers are verified, and what a service is told of them. */
export const verifyingOptions: readonly OptionManual[] = [
  {
    flags: "--admin-port N",
    about: "port of /health, /ready and /metrics (default 9090, of authz none)",
  },
  { flags: "--config FILE", about: "the configuration, as FILE (AMESH_GATEWAY_CONFIG)" },
  { flags: "--audience HOST", about: "host that callers name (AMESH_AUDIENCE)", repeatable: true },
  { flags: "--host ADDRESS", about: "address to listen on (HOST; default 127.0.0.1)" },
  {
    flags: "--port N",
    about: "port to listen on, 0 for a free one (PORT; default 8088, of authz 8089)",
  },
  { flags: "--identity DIR", about: "folder of the identity whose allow list decides (AUTH_MESH_DIR)" },
  { flags: "--issuer URL", about: "accept tokens of this issuer too", repeatable: true },
  { flags: "--token-audience NAME", about: "for whom tokens must be", repeatable: true },
  { flags: "--policy FILE", about: 'policy that decides on tokens, or "none"' },
  { flags: "--scope SCOPE", about: "what callers must hold: orders:w", repeatable: true },
  { flags: "--headers NAMES", about: "headers that say who called: authmesh (default), oathmesh or both" },
  { flags: "--trust-proxy N", about: "proxies in front that append to X-Forwarded-For" },
  {
    flags: "--redis-url-file FILE",
    about: "file with the URL of the Redis where nonces and used tokens are shared",
  },
  { flags: "--audit FILE", about: "where every decision is recorded, - for standard output" },
];

/** What a proxy has beside that. */
export const proxyingOptions: readonly OptionManual[] = [
  {
    flags: "--upstream URL",
    about: "server to send requests on to: http://127.0.0.1:8080",
    repeatable: true,
  },
  { flags: "--no-admin", about: "do not serve these" },
  { flags: "--cert FILE", about: "PEM file with the certificate and its chain: speak TLS and HTTP/2" },
  { flags: "--key FILE", about: "PEM file with the certificate's private key" },
  { flags: "--web-socket", about: "follow upgrades to WebSocket" },
];

export const configEnvironment: readonly Row[] = [
  ["HOST", "used where neither --host nor the configuration says"],
  ["PORT", "used where neither --port nor the configuration says"],
  ["AMESH_GATEWAY_CONFIG", "the configuration"],
  ["AMESH_AUDIENCE", "used where no audience is named"],
  ["AMESH_REDIS_URL", "redis://…: where nonces and used tokens are shared"],
  ["AMESH_REDIS_URL_FILE", "file with that URL"],
];

export const gatewayEnvironment: readonly Row[] = [...configEnvironment, ...keyStoreEnvironment];

export const servingExit: readonly Row[] = [
  ["0", "stopped by a signal"],
  ["1", "it cannot listen, or a file cannot be read"],
  ["2", "an option or the configuration cannot be used"],
  ["4", "the package @authmesh/gateway is not installed, or a passphrase is missing"],
];
