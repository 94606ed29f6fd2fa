/** What every proof is checked against, whatever the framework. An adapter makes one of each incoming request. */
export interface IncomingRequest {
  readonly method: string;
  /** The raw request target as received, before any router touched it: "/api/orders?b=2". */
  readonly target: string;
  /** Every occurrence of a header, raw and in order: duplicates must be seen to be refused. `name` is lower case. */
  headers(name: string): readonly string[];
  /** Whether a body follows, as the transport says: never from the method. */
  readonly hasBody: boolean;
  /**
   * A hash of the raw body bytes, lower-case hex.
   *
   * @param limits bytes and milliseconds the body may take
   * @param algorithm default "sha256"; the other only for HTTP signatures whose Content-Digest has `sha-512`
   * @throws AmeshError `payload_too_large`, `body_timeout`, `body_incomplete`, `body_parser_ordering_error`
   */
  bodyHash(limits: BodyLimits, algorithm?: BodyHashAlgorithm): Promise<string>;
  /** The nonce this very request has recorded: it may pass a second verifier on its way through one server. */
  recordedNonce?: string | undefined;
}

export type BodyHashAlgorithm = "sha256" | "sha512";

export interface BodyLimits {
  readonly maxBytes: number;
  readonly timeoutMs: number;
  /** Content encodings the application decodes; the decoded size is held to `maxBytes` too. */
  readonly contentEncodings: readonly string[];
}
