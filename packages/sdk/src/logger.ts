export { consoleLogger, harmless, type Logger } from "@authmesh/oath/logger";
