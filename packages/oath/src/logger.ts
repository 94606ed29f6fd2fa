/** Where the SDK reports what an operator should know. Any common logger fits. */
export interface Logger {
  debug(message: string, fields?: object): void;
  info(message: string, fields?: object): void;
  warn(message: string, fields?: object): void;
  error(message: string, fields?: object): void;
}

/** Warnings and errors to standard error, nothing else. */
export const consoleLogger: Logger = {
  debug() {},
  info() {},
  warn: (message, fields) => console.warn(line(message, fields)),
  error: (message, fields) => console.error(line(message, fields)),
};

function line(message: string, fields: object | undefined): string {
  return fields === undefined ? `amesh: ${message}` : `amesh: ${message} ${JSON.stringify(fields)}`;
}

const harmlessOnes = new WeakMap<Logger, Logger>();

/** The same logger, unable to break what it reports on; one object for each, so that what was said once is known. */
export function harmless(logger: Logger): Logger {
  const existing = harmlessOnes.get(logger);
  if (existing !== undefined) return existing;
  const guarded = (level: keyof Logger) => (message: string, fields?: object) => {
    try {
      logger[level](message, fields);
    } catch {
      // There is no other place to say it.
    }
  };
  const made = {
    debug: guarded("debug"),
    info: guarded("info"),
    warn: guarded("warn"),
    error: guarded("error"),
  };
  harmlessOnes.set(logger, made);
  return made;
}
