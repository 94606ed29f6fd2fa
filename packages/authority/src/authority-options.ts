import type { AuditSink } from "@authmesh/core";
import { mailAddress } from "@authmesh/core/enrollment";
import type { Environment, PromptSecret } from "@authmesh/keystore";
import { originProblem, type TokenAlgorithm, type TokenSigner } from "@authmesh/oath";
import { consoleLogger, type Logger } from "@authmesh/sdk";
import { type RegistrationMode, registrationModes } from "./accounts/registration.js";
import type { EnrollmentWebhookOptions } from "./enrollment/enrollment-webhook.js";
import { tokenAlgorithms } from "./keys/new-signing-key.js";

/** How an authority is run. Only `dir` has no default. */
export interface AuthorityOptions {
  /** Folder of its identity, its database and, by default, its policy. Made on first start. */
  readonly dir: string;
  /**
   * Where DATABASE_URL (a PostgreSQL in place of the file in the folder) or DATABASE_URL_FILE, AMESH_AUTHORITY_SECRET_FILE (what replicas
   * seal signing keys with), AMESH_AUTHORITY_REDIS_URL (where verifiers find a copy of the revocation list) and
   * AMESH_SMTP_URL (what mails are sent by) are looked for. Default `process.env`.
   */
  readonly env?: Environment | undefined;
  /** Default "127.0.0.1". */
  readonly host?: string | undefined;
  /** Default 4000. */
  readonly port?: number | undefined;
  /** The `iss` of its tokens: an origin. Default `http://localhost:PORT`, or https with `tls`. */
  readonly issuer?: string | undefined;
  /** Hosts that callers name it by, beside the issuer's, and 127.0.0.1 where that is localhost. Default: none. */
  readonly audience?: readonly string[] | undefined;
  /** PEM files; read again when they change. Default: plain HTTP. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  /** Behind one proxy that sets X-Forwarded-For and X-Forwarded-Host. Default false. */
  readonly trustProxy?: boolean | undefined;
  /** The file that says who may mint what; read again when it changes. Default `DIR/policy.yaml`. */
  readonly policy?: string | undefined;
  /** Of signing keys that are made from now on. Default "EdDSA". */
  readonly algorithm?: TokenAlgorithm | undefined;
  /** How old a signing key becomes, in days, 1 to 365. Default 30. */
  readonly rotateDays?: number | undefined;
  /** Requests a minute: of one device, default 6,000, and of one address, default 12,000. A sixth may come at once. */
  readonly limits?: { readonly caller?: number; readonly address?: number } | undefined;
  /** Tell the revocation list to everybody, without reasons and actors. Default: to devices alone. */
  readonly publicRevocations?: boolean | undefined;
  /**
   * Who may open an account by a mail (docs/protocol.md, section 10.4): nobody, addresses that
   * `amesh authority account invite` named, or everybody. Default "closed".
   */
  readonly registration?: RegistrationMode | undefined;
  /** The address that mails are sent from; needed unless registration is closed. */
  readonly mailFrom?: string | undefined;
  /** Tell the trust feed `tokens` to everybody: which tokens are revoked, without reasons. Default: to devices with `feed:r` alone. */
  readonly publicTokensFeed?: boolean | undefined;
  /** What keys in Redis begin with: 1 to 32 letters, digits and _ . : -. Default "ar:". */
  readonly redisPrefix?: string | undefined;
  /**
   * Where every request, mint, exchange, revocation, rotation and change of devices is recorded (docs/protocol.md,
   * section 13). Closed with the authority. With `new FanOutAuditSink(sinks, { require })` nothing of that happens that
   * too few sinks could keep. A function is given what signs with the active key, for checkpoints. Default: nowhere.
   */
  readonly audit?: AuditSink | ((signer: TokenSigner) => Promise<AuditSink>) | undefined;
  /**
   * Where approvers are told that a machine asks to be enrolled: events in batches (CloudEvents), perhaps twice. They come
   * from what the audit has been told, so there has to be one. Default: AMESH_ENROLLMENT_WEBHOOK_URL and
   * AMESH_ENROLLMENT_WEBHOOK_SECRET_FILE, else nobody.
   */
  readonly enrollmentWebhook?: EnrollmentWebhookOptions | undefined;
  /**
   * Whose TPMs prove where an enrolled key is (docs/protocol.md, section 10.10). `roots`: a file of certificates in PEM, or a
   * folder with such files (*.pem, *.crt, *.cer), read at the start. `require`: approve no key that is not proven; default
   * false. Default: none, so that nothing is proven.
   */
  readonly attestation?: { readonly roots: string; readonly require?: boolean | undefined } | undefined;
  /** Default: warnings and errors to standard error. */
  readonly logger?: Logger | undefined;
  readonly promptSecret?: PromptSecret | undefined;
  /** Milliseconds since the epoch. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** Fills in the defaults. @throws TypeError for an option that cannot be */
export function completeOptions(options: AuthorityOptions) {
  const { port = 4000, tls, rotateDays = 30, algorithm = "EdDSA", limits = {} } = options;
  const { redisPrefix = "ar:" } = options;
  requireInteger("port", port, 0, 65_535);
  requireInteger("rotateDays", rotateDays, 1, 365);
  if (!tokenAlgorithms.includes(algorithm))
    throw new TypeError(`algorithm is one of ${tokenAlgorithms.join(", ")}.`);
  if (!/^[\w.:-]{1,32}$/.test(redisPrefix))
    throw new TypeError("redisPrefix is 1 to 32 letters, digits and _ . : -");
  const { caller = 6_000, address = 12_000 } = limits;
  requireInteger("limits.caller", caller, 1, 10_000_000);
  requireInteger("limits.address", address, 1, 10_000_000);
  const { registration = "closed" } = options;
  if (!registrationModes.includes(registration))
    throw new TypeError(`registration is one of ${registrationModes.join(", ")}.`);
  const mailFrom = mailAddress(options.mailFrom ?? "");
  if (mailFrom === undefined && (options.mailFrom !== undefined || registration !== "closed"))
    throw new TypeError("mailFrom is a mail address such as amesh@example.com, and needed for registration.");
  const issuer = checkIssuer(options.issuer, port, tls === undefined ? "http" : "https");
  return {
    ...options,
    host: options.host ?? "127.0.0.1",
    port,
    issuer,
    audience: [...hostsOf(issuer), ...(options.audience ?? [])],
    trustProxy: options.trustProxy ?? false,
    registration,
    mailFrom,
    publicRevocations: options.publicRevocations ?? false,
    publicTokensFeed: options.publicTokensFeed ?? false,
    redisPrefix,
    algorithm,
    rotateDays,
    limits: { caller, address },
    logger: options.logger ?? consoleLogger,
    now: options.now ?? Date.now,
  };
}

function requireInteger(name: string, value: number, least: number, most: number): void {
  if (!Number.isInteger(value) || value < least || value > most)
    throw new TypeError(`${name} is an integer from ${least} to ${most}; it is ${value}.`);
}

/** An origin: its documents and endpoints are at paths of their own. */
function checkIssuer(given: string | undefined, port: number, scheme: string): string {
  if (given === undefined && port === 0)
    throw new TypeError("Of port 0 the issuer cannot be told: give one.");
  const issuer = given ?? `${scheme}://localhost:${port}`;
  const problem = originProblem(issuer);
  if (problem !== undefined) throw new TypeError(`issuer: ${problem}.`);
  return issuer;
}

function hostsOf(issuer: string): readonly string[] {
  const { host, hostname, port } = new URL(issuer);
  return hostname === "localhost" ? [host, `127.0.0.1${port === "" ? "" : `:${port}`}`] : [host];
}
