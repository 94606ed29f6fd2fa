/**
 * A reverse proxy that verifies requests for services that know nothing of amesh, and the answering half of a proxy's external
 * authorization (docs/protocol.md, section 14).
 *
 * @module
 */
export { type Authz, type AuthzOptions, createAuthz } from "./authz/create-authz.js";
export type { ProxyName } from "./authz/proxy-dialects.js";
export { gatewaySchema } from "./config/config-document.js";
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
export type {
  ContextSettings,
  GatewaySettings,
  RouteSettings,
  TlsFiles,
  UpstreamSettings,
  VerificationSettings,
} from "./config/settings.js";
export {
  createGateway,
  type Gateway,
  type GatewayAddress,
  type GatewayOptions,
} from "./create-gateway.js";
export { type GatewayRun, runGateway } from "./main.js";
