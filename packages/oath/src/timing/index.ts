/**
 * Waiting that ends, for this package and `@authmesh/sdk`.
 *
 * @module
 */
export { type Schedule, unreferencedTimer } from "./unreferenced-timer.js";
export { within } from "./within.js";
