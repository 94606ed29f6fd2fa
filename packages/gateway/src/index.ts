/**
 * A reverse proxy that verifies requests for services that know nothing of amesh, and the answering half of a proxy's external
 * authorization (docs/protocol.md, section 14).
 *
 * @module
 */
export type {
  AdminConfig,
  AuthorityConfig,
  ContextConfig,
  DevicesConfig,
  GatewayConfig,
  ListenConfig,
  ProofName,
  RedisConfig,
  RouteConfig,
  TokensConfig,
  UpstreamConfig,
} from "./config/gateway-config.js";
