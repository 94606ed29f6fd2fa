/**
 * Bootstrap: how a machine at which nobody can type takes its first controller in (docs/protocol.md, section 7).
 *
 * The controller makes a token, the new machine is started with it as `AMESH_BOOTSTRAP_TOKEN`, and `amesh.verify()`
 * and `createClient()` use it by themselves.
 *
 * @module
 */

export { type AwaitTargetOptions, awaitTarget, type MetTarget } from "./await-target.js";
export { machineHosts } from "./machine-hosts.js";
export { meetController } from "./meet-controller.js";
export { type ProvisionedToken, type ProvisionOptions, provision } from "./provision.js";
