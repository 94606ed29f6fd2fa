import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { AmeshError, quoteForeign } from "@authmesh/core";
import { asUsage, readInteger } from "@authmesh/core/server-program";
import type { Environment } from "@authmesh/keystore";
import type { TokenAlgorithm } from "@authmesh/oath";
import type { RegistrationMode } from "./accounts/registration.js";
import type { AuthorityOptions } from "./authority-options.js";

const flags = {
  dir: { type: "string" },
  host: { type: "string" },
  port: { type: "string" },
  issuer: { type: "string" },
  audience: { type: "string", multiple: true },
  cert: { type: "string" },
  key: { type: "string" },
  "trust-proxy": { type: "boolean" },
  policy: { type: "string" },
  audit: { type: "string" },
  algorithm: { type: "string" },
  "rotate-days": { type: "string" },
  limit: { type: "string", multiple: true },
  "public-revocations": { type: "boolean" },
  registration: { type: "string" },
  "mail-from": { type: "string" },
  "public-tokens-feed": { type: "boolean" },
  "attestation-roots": { type: "string" },
  "require-attestation": { type: "boolean" },
  "redis-prefix": { type: "string" },
  json: { type: "boolean" },
  "no-input": { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** @param command how the person called the authority */
export const helpText = (command: string): string => `Usage: ${command} [options]

Runs an issuer of tokens. On first start it makes an identity, a database and a
signing key in its folder; what devices may mint is in the folder's policy.yaml.

Options:
  --dir DIR              folder of the authority (AMESH_AUTHORITY_DIR; default ~/.amesh-authority)
  --host ADDRESS         address to listen on (HOST; default 127.0.0.1)
  --port N               port to listen on (PORT; default 4000)
  --issuer URL           the issuer's origin (default http://localhost:PORT)
  --audience HOST        a further host that callers name it by, beside the issuer's; may be repeated
  --cert FILE            PEM file with the certificate and its chain: speak TLS
  --key FILE             PEM file with the certificate's private key
  --trust-proxy          behind one proxy that sets X-Forwarded-For and X-Forwarded-Host
  --policy FILE          who may mint what (default DIR/policy.yaml)
  --audit FILE           where everything it does is recorded (default DIR/audit.jsonl),
                         - for standard output, or none
  --algorithm NAME       of signing keys made from now on: EdDSA (default) or ES256
  --rotate-days N        how old a signing key becomes (default 30)
  --limit NAME=N         requests a minute: of one caller (6000), of one address (12000)
  --public-revocations   tell the revocation list to everybody, without reasons
  --registration WHO     who may open an account by mail: closed (default), invited, or open
  --mail-from ADDRESS    the sender of mails; needed for registration
  --public-tokens-feed   tell the trust feed of revoked tokens to everybody
  --attestation-roots FILE|DIR
                         PEM certificates of the makers of TPMs: by them enrolled keys
                         are proven to be in one
  --require-attestation  approve no key that is not proven so
  --redis-prefix TEXT    what keys in Redis begin with (default ar:)
  --json                 also print {"event":"listening","issuer":…,"port":…,"feedKey":…} on stdout
  -h, --help             print this text

Environment:
  HOST, PORT             used where --host and --port are not given
  DATABASE_URL, DATABASE_URL_FILE
                         postgres://…, or a file with that: where the state is,
                         for several replicas
  AMESH_AUTHORITY_SECRET_FILE
                         file with the secret that replicas seal signing keys with
  AMESH_AUTHORITY_REDIS_URL, AMESH_AUTHORITY_REDIS_URL_FILE
                         redis://…, or a file with that: where verifiers find a copy
                         of the revocation list
  AMESH_SMTP_URL, AMESH_SMTP_URL_FILE
                         smtps://USER:PASSWORD@HOST, or a file with that: what sends
                         the mails of registration
  AMESH_ENROLLMENT_WEBHOOK_URL
                         https://…: told of each machine that asks to be enrolled
  AMESH_ENROLLMENT_WEBHOOK_SECRET_FILE
                         file with the secret sent there (Authorization: Bearer)
  AUTH_MESH_PASSPHRASE, AMESH_PASSPHRASE_FILE
                         passphrase of the identity's key file

Examples:
  ${command}
  ${command} --dir /var/lib/amesh --issuer https://issuer.example.com --trust-proxy

SIGTERM and SIGINT finish the requests under way for up to 10 seconds; a second
signal exits at once.

Exit status: 0 stopped by a signal, 1 cannot listen or start, 2 usage, 5 no database.
`;

export interface Arguments {
  readonly options: AuthorityOptions;
  /** A file, "-", "none"; undefined for the file in the folder. */
  readonly audit: string | undefined;
  readonly json: boolean;
  readonly help: boolean;
}

/** The folder of an authority: as given, AMESH_AUTHORITY_DIR, else ~/.amesh-authority. */
export const authorityFolder = (given: string | undefined, env: Environment = process.env): string =>
  resolve(given ?? (env["AMESH_AUTHORITY_DIR"] || join(homedir(), ".amesh-authority")));

/** Reads flags, and the environment where they are silent. @throws AmeshError `invalid_option` */
export function readArguments(argv: readonly string[], env: Environment): Arguments {
  const { values } = asUsage(() => parseArgs({ args: [...argv], options: flags }));
  const { cert, key } = values;
  if ((cert === undefined) !== (key === undefined))
    throw new AmeshError("invalid_option", "--cert and --key go together.");
  const options: AuthorityOptions = {
    dir: authorityFolder(values.dir, env),
    env,
    host: values.host ?? (env["HOST"] || "127.0.0.1"),
    port: readInteger("--port", values.port ?? (env["PORT"] || "4000")),
    issuer: values.issuer,
    audience: values.audience,
    tls: cert === undefined || key === undefined ? undefined : { cert, key },
    trustProxy: values["trust-proxy"],
    policy: values.policy,
    algorithm: values.algorithm as TokenAlgorithm | undefined,
    rotateDays:
      values["rotate-days"] === undefined ? undefined : readInteger("--rotate-days", values["rotate-days"]),
    limits: Object.fromEntries((values.limit ?? []).map(readLimit)),
    publicRevocations: values["public-revocations"],
    registration: values.registration as RegistrationMode | undefined,
    mailFrom: values["mail-from"],
    publicTokensFeed: values["public-tokens-feed"],
    attestation: readAttestation(values["attestation-roots"], values["require-attestation"]),
    redisPrefix: values["redis-prefix"],
  };
  return { options, audit: values.audit, json: values.json ?? false, help: values.help ?? false };
}

function readAttestation(
  roots: string | undefined,
  require: boolean | undefined,
): AuthorityOptions["attestation"] {
  if (roots !== undefined) return { roots, require };
  if (require) throw new AmeshError("invalid_option", "--require-attestation needs --attestation-roots.");
  return undefined;
}

function readLimit(text: string): [name: string, value: number] {
  const [, name, value] = /^(caller|address)=(.*)$/s.exec(text) ?? [];
  if (name !== undefined && value !== undefined) return [name, readInteger(`--limit ${name}`, value)];
  throw new AmeshError("invalid_option", `--limit takes caller=N or address=N, not ${quoteForeign(text)}.`);
}
