import { type Failure, failure } from "./errors.js";

/** The media type of problem documents. */
export const problemType = "application/problem+json";

/** What a problem document has beside the failure. */
export interface ProblemContext {
  /** Default: what the catalogue says of the code. */
  readonly title?: string;
  /** The code that the caller learns. Default: the failure's public one. */
  readonly error?: string;
  /** Name or number of the step that refused. */
  readonly step?: string | number;
  /** To find one decision in a log. */
  readonly decision?: string;
}

/**
 * A problem document (RFC 9457). What fails within a server is told to nobody but its operator: of a failure from
 * 500 on, only what the catalogue says.
 */
export function problemDocument(
  told: Failure,
  { error = told.public, title, step, decision }: ProblemContext = {},
) {
  const { code, status } = told;
  const known = failure(code);
  const { detail, fix } = status >= 500 ? known : told;
  return {
    title: title ?? known.detail,
    status,
    detail,
    error,
    ...(step === undefined ? {} : { step }),
    fix,
    ...(decision === undefined ? {} : { decision }),
  };
}
