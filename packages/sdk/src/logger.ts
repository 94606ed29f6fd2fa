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

/** The same logger, unable to break what it reports on. */
export function harmless(logger: Logger): Logger {
  const guarded = (level: keyof Logger) => (message: string, fields?: object) => {
    try {
      logger[level](message, fields);
    } catch {
      // There is no other place to say it.
    }
  };
  return { debug: guarded("debug"), info: guarded("info"), warn: guarded("warn"), error: guarded("error") };
}
