import { readBounded } from "./bounded-read.js";
import { decodeUtf8 } from "./encoding.js";
import { AmeshError, type ErrorCode } from "./errors.js";

/** The environment of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a secret that people know comes from: two variables, one for the secret and one for a file that holds it. */
export interface SecretSource {
  readonly variable: string;
  readonly fileVariable: string;
  /** What it is called when it is missing or unfit. */
  readonly missing: ErrorCode;
}

const maxBytes = 4096;

/**
 * The secret that the environment gives; undefined when neither variable is set. The first one that is set decides,
 * and an empty one is not set.
 *
 * @throws AmeshError `source.missing` for a file that is absent or unfit; `storage_failed`
 */
export function secretFrom(source: SecretSource, env: Environment): string | undefined {
  const secret = env[source.variable];
  if (secret) return secret;
  const path = env[source.fileVariable];
  if (!path) return undefined;
  const inFile = readSecretFile(path, source);
  if (inFile !== undefined) return inFile;
  throw secretMissing(source, `${source.fileVariable} names ${path}, which does not exist.`);
}

/** Which of the two variables decides, and which is set beside it and not read. */
export function variablesInUse(
  { variable, fileVariable }: SecretSource,
  env: Environment,
): readonly [decides?: string, unread?: string] {
  const [decides, unread] = [variable, fileVariable].filter((name) => env[name]);
  return decides === undefined ? [] : unread === undefined ? [decides] : [decides, unread];
}

/**
 * The secret in a file, without its one trailing line end; undefined when there is no such file.
 *
 * @throws AmeshError `source.missing` when it is empty, too long or not text; `storage_failed`
 */
export function readSecretFile(path: string, source: SecretSource): string | undefined {
  const bytes = readBounded(path, maxBytes);
  if (bytes === undefined) return undefined;
  const secret = decodeUtf8(bytes)?.replace(/\r?\n$/, "");
  if (secret && bytes.length <= maxBytes) return secret;
  throw secretMissing(source, `${path} is empty, longer than ${maxBytes} bytes, or not text.`);
}

/** That a secret is not there, or unfit where it was looked for. */
export const secretMissing = (
  { missing, variable, fileVariable }: SecretSource,
  detail: string,
): AmeshError => new AmeshError(missing, detail, { fix: `Set ${fileVariable} or ${variable}.` });
