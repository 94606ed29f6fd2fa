import type { AuthorityConfig, ContextConfig, ProofName, TokensConfig } from "./gateway-config.js";

/** A configuration with its defaults filled in and checked: what the rest of the gateway reads. Files are absolute paths. */
export interface GatewaySettings {
  readonly listen: {
    readonly host: string;
    readonly port: number;
    readonly tls: TlsFiles | undefined;
  };
  /** Undefined: nowhere. */
  readonly admin: { readonly host: string; readonly port: number } | undefined;
  readonly verification: VerificationSettings;
  readonly context: ContextSettings;
  readonly trustProxy: number;
  readonly spoolBytes: number;
  readonly maxConnections: number;
  readonly maxWebSockets: number;
  readonly drainSeconds: number;
  readonly upstreams: readonly UpstreamSettings[];
  readonly routes: readonly RouteSettings[];
}

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
  readonly clientCa: string | undefined;
  readonly requireClientCert: boolean;
}

/** What is asked of every proof, whatever the route. */
export interface VerificationSettings {
  readonly audience: readonly string[] | undefined;
  readonly identity: string | undefined;
  readonly requireHostBinding: boolean;
  readonly clockSkewSeconds: number;
  readonly revokers: readonly string[] | undefined;
  readonly tokens: TokensConfig | undefined;
  readonly authority: AuthorityConfig | undefined;
  /** The URL itself, read from its file. */
  readonly redisUrl: string | undefined;
  readonly audit: string | undefined;
}

export interface ContextSettings {
  readonly prefixes: readonly ("X-AuthMesh-" | "X-OathMesh-")[];
  readonly token: Required<Pick<NonNullable<ContextConfig["token"]>, "issuer">> & {
    readonly audience: string | undefined;
    readonly keyFile: string | undefined;
  };
}

export interface UpstreamSettings {
  readonly name: string;
  /** Origins. */
  readonly urls: readonly URL[];
  readonly host: "caller" | "upstream";
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  readonly health:
    | {
        readonly path: string;
        readonly intervalMs: number;
        readonly timeoutMs: number;
        readonly failures: number;
      }
    | undefined;
  readonly ca: string | undefined;
}

export interface RouteSettings {
  readonly name: string;
  /** Lower case; empty: every host. */
  readonly hosts: readonly string[];
  /** Decoded; without the "/*" that `below` stands for. "" is the root. */
  readonly path: string;
  readonly below: boolean;
  readonly caseSensitive: boolean;
  /** Empty: every method. */
  readonly methods: readonly string[];
  readonly accept: ReadonlySet<ProofName>;
  readonly public: boolean;
  readonly scopes: readonly string[];
  readonly actions: readonly string[];
  readonly policy: string | undefined;
  /** Name of one of the upstreams; undefined for external authorization. */
  readonly upstream: string | undefined;
  readonly stripPrefix: string;
  readonly forwardProof: boolean;
  readonly contextHeaders: boolean;
  readonly contextToken: boolean;
  readonly webSocket: boolean;
  readonly bodyBytes: number;
  readonly memoryBytes: number;
  readonly bodyTimeoutMs: number;
  readonly answerTimeoutMs: number;
  /** 0: none. */
  readonly idleTimeoutMs: number;
}
