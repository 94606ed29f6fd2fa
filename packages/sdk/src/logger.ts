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
