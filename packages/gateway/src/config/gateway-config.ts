/** How a proof may come (docs/protocol.md, section 14.3). */
export type ProofName = "device" | "http-signature" | "token";

/** What a configuration file says (docs/guide/gateway.md). Members that are left out have the default that is named here. */
export interface GatewayConfig {
  readonly version: 1;
  /** For editors; says nothing. */
  readonly $schema?: string;
  readonly listen?: ListenConfig;
  /**
   * Where `/health`, `/ready`, `/metrics` and the keys of context tokens are. Default 127.0.0.1:9090, and nowhere for
   * external authorization; false: nowhere.
   */
  readonly admin?: AdminConfig | false;
  /** The hosts that callers name. Default: AMESH_AUDIENCE, else what `amesh init --audience` sealed. */
  readonly audience?: string | readonly string[];
  /** Folder of the identity whose allow list decides. Default: AUTH_MESH_DIR, else ~/.amesh. */
  readonly identity?: string;
  /** Proxies in front of the gateway that append to X-Forwarded-For. Default 0. */
  readonly trustProxy?: number;
  readonly devices?: DevicesConfig;
  /** Tokens are verified where this is given. */
  readonly tokens?: TokensConfig;
  readonly authority?: AuthorityConfig;
  /** Where nonces, used tokens and revocations of the fleet are shared. Default: AMESH_REDIS_URL, else the memory of this process. */
  readonly redis?: RedisConfig;
  /** A file for audit events, or "-" for standard output. Default: nowhere. */
  readonly audit?: string;
  readonly context?: ContextConfig;
  /** Tell paths apart by case. Default false, since many services do not. */
  readonly caseSensitive?: boolean;
  /** Largest sum of bodies that wait to be verified, in memory and on disk, in bytes. Default 1 GiB. */
  readonly spoolBytes?: number;
  /** Connections of callers, and of them WebSockets. Default 20,000 and 10,000. */
  readonly maxConnections?: number;
  readonly maxWebSockets?: number;
  /** Seconds that requests under way get when the gateway is told to stop. Default 10. */
  readonly drainSeconds?: number;
  readonly upstreams?: Readonly<Record<string, UpstreamConfig>>;
  readonly routes: readonly RouteConfig[];
}

export interface ListenConfig {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 8088; 0 takes a free one. */
  readonly port?: number;
  /** Speak TLS, and HTTP/2 to those who want it. PEM files, looked at again every few seconds. */
  readonly tls?: {
    readonly cert: string;
    readonly key: string;
    /** Authorities of client certificates. Without one nobody is asked for a certificate. */
    readonly clientCa?: string;
    /** Refuse connections without one. Default true where `clientCa` is given. */
    readonly requireClientCert?: boolean;
  };
}

export interface AdminConfig {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 9090. */
  readonly port?: number;
}

export interface DevicesConfig {
  /** As in `amesh.verify`. Default false. */
  readonly requireHostBinding?: boolean;
  /** As in `amesh.verify`, 0 to 300. Default 30. */
  readonly clockSkewSeconds?: number;
  /** Devices that may revoke for the fleet, as in `amesh.verify`. */
  readonly revokers?: readonly string[];
}

export interface TokensConfig {
  readonly issuers: string | readonly string[];
  readonly audience: string | readonly string[];
  /** Path of a policy, or "none". */
  readonly policy: string;
  /** Default "once". */
  readonly use?: "once" | "until-expiry";
  /** Default false. */
  readonly requireRequestBinding?: boolean;
  /** Default "gateway", so that a service behind may verify the same token. */
  readonly replayScope?: string;
}

export interface AuthorityConfig {
  readonly url: string;
  /** Thumbprint of the feed key; pinned on first use where it is left out. */
  readonly key?: string;
  readonly account?: string;
  /** Default 3600. */
  readonly maxStaleSeconds?: number;
}

export interface RedisConfig {
  /** Without a password: "redis://redis:6379". One of the two. */
  readonly url?: string;
  /** A file with the URL. */
  readonly urlFile?: string;
}

export interface ContextConfig {
  /** Names of the headers of section 14.4. Default "authmesh". */
  readonly headers?: "authmesh" | "oathmesh" | "both";
  readonly token?: {
    readonly issuer?: string;
    /** Default: the upstream's name. */
    readonly audience?: string;
    /** PKCS#8 PEM of a P-256 key. Default: a key that lives as long as the process. */
    readonly keyFile?: string;
  };
}

export interface UpstreamConfig {
  /** "http://127.0.0.1:8080", without a path. The one with the fewest requests under way is asked. */
  readonly urls: string | readonly string[];
  /** Which Host it gets: the caller's, or its own. Default "caller". */
  readonly host?: "caller" | "upstream";
  /** Connections to each of the URLs. Default 256. */
  readonly maxConnections?: number;
  /** Default 5. */
  readonly connectTimeoutSeconds?: number;
  /** Checked where this is given. */
  readonly health?: {
    readonly path: string;
    /** Default 5. */
    readonly intervalSeconds?: number;
    /** Default 2. */
    readonly timeoutSeconds?: number;
    /** Failures in a row after which it is asked no more. Default 2. */
    readonly failures?: number;
  };
  /** PEM file of the authorities of its certificate. Default: those of Node.js. */
  readonly ca?: string;
}

export interface RouteConfig {
  /** Names it in logs and metrics. Default: its path. */
  readonly name?: string;
  /** Default: every host. */
  readonly hosts?: string | readonly string[];
  /** "/health", or "/api/*" for "/api" and all below. */
  readonly path: string;
  /** Default: every method that is read at all. */
  readonly methods?: string | readonly string[];
  /** Default: all that are configured. */
  readonly accept?: ProofName | readonly ProofName[];
  /** Let everybody pass, and verify nothing. Default false. */
  readonly public?: boolean;
  /** "orders:w", or several that are all required. */
  readonly scope?: string | readonly string[];
  /** "orders.write", or several of which the token must be for one. */
  readonly action?: string | readonly string[];
  /** Decides on tokens in the place of `tokens.policy`. */
  readonly policy?: string;
  /** Name of an upstream, or a URL. Needed but for external authorization. */
  readonly upstream?: string;
  /** Taken off the path before it is sent on: "/api". Callers sign the whole path. */
  readonly stripPrefix?: string;
  /** Leave the proof in what is sent on. Default false. */
  readonly forwardProof?: boolean;
  /** What the upstream is told. Default ["headers"]. */
  readonly context?: "headers" | "token" | readonly ("headers" | "token")[];
  /** Follow upgrades to WebSocket. Default false. */
  readonly webSocket?: boolean;
  readonly limits?: {
    /** Largest body. Default 1 MiB. */
    readonly bodyBytes?: number;
    /** Of a body that is verified first, what is kept in memory; the rest waits on disk. Shorter ones are all read before they are sent on. Default 64 KiB. */
    readonly memoryBytes?: number;
  };
  readonly timeouts?: {
    /** A body; one that is streamed has a second more for each 64 KiB. Default 30. */
    readonly bodySeconds?: number;
    /** Until the head of the answer. Default 60. */
    readonly answerSeconds?: number;
    /** Between two pieces of the answer, or of a body that is streamed. 0: none, for server-sent events. Default 60. */
    readonly idleSeconds?: number;
  };
}
