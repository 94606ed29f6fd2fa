export { readBounded } from "@authmesh/core/server-program";
