/**
 * Waiting that ends, and ages that clocks cannot lower: for this package and `@authmesh/sdk`.
 *
 * @module
 */
export { ageOf, type Clocks, type Moment, momentOf, systemClocks } from "./age.js";
export { type Schedule, unreferencedTimer } from "./unreferenced-timer.js";
export { within } from "./within.js";
