/**
 * The issuer: tokens of at most five minutes for devices and CI jobs.
 *
 * @module
 */
export { type RegistrationMode, registrationModes } from "./accounts/registration.js";
export type { RegistrationStore } from "./accounts/registration-store.js";
export type { AuthorityOptions } from "./authority-options.js";
export type {
  AuthorityStore,
  Generations,
  RevocationChange,
  RevocationPage,
  RevocationRemoval,
  StandingRevocation,
} from "./authority-store.js";
export { type Authority, createAuthority } from "./create-authority.js";
export type { SharedDevices } from "./devices/shared-devices.js";
export {
  createExchange,
  type Exchange,
  type ExchangeAllowed,
  type ExchangeDecision,
  type ExchangeOptions,
  type ExchangeRefused,
  type IncomingToken,
} from "./exchange/exchange.js";
export { type ExchangeConfig, readExchangeConfig } from "./exchange/exchange-config.js";
export { type ExchangeRouteOptions, exchangeRoute } from "./exchange/exchange-route.js";
export { KeyRing, type KeyRingOptions } from "./keys/key-ring.js";
export { type KeyState, keyStates, type SigningKey } from "./keys/signing-key.js";
export { type AuthorityRun, runAuthority } from "./main.js";
export { type AuthorityPolicy, readAuthorityPolicy } from "./mint/authority-policy.js";
export type { MintQuestion, MintRules, MintVerdict } from "./mint/mint-rules.js";
export * from "./state.js";
