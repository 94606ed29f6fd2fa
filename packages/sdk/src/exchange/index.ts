/**
 * Tokens for CI jobs: the job shows the ID token that its CI made for it, and no secret is stored anywhere
 * (docs/protocol.md, section 8.10).
 *
 * @module
 */
export { type ExchangedToken, type ExchangeTokenOptions, exchangeToken } from "./exchange-token.js";
export { type JobTokenOptions, obtainJobToken } from "./job-token.js";
