/**
 * What whoever calls an issuer needs of this package, and nothing that verifies tokens or decides by policies: a
 * command that starts for one request loads these few modules in place of all. For `@authmesh/sdk` and the commands.
 *
 * @module
 */
export { EventStreamReader, type ServerEvent } from "../feed/event-stream.js";
export { thumbprint } from "../issuer-key.js";
export { issuerProblem, originProblem, trustworthyUrl } from "../issuer-url.js";
export { requestHashOf } from "../request-hash.js";
