import { loadAuthority } from "../authority/load-authority.js";
import { authorityEnvironment, dirOption } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Runs an issuer of tokens until a signal stops it. On first start it makes an identity, a database and a signing key in its folder. It lets nobody in who was not paired with it (`amesh authority pair`, `amesh add --authority DIR`), and gives nobody a token that no rule of DIR/policy.yaml grants.",
      "With DATABASE_URL several replicas share one PostgreSQL; give each the same AMESH_AUTHORITY_SECRET_FILE. Tokens are at POST /v1/token, keys at /.well-known/jwks.json; /health, /ready and /metrics answer over HTTP.",
    ],
    options: [
      dirOption,
      { flags: "--host ADDRESS", about: "address to listen on (HOST; default 127.0.0.1)" },
      { flags: "--port N", about: "port to listen on (PORT; default 4000)" },
      {
        flags: "--issuer URL",
        about: "the issuer's origin, as tokens name it (default http://localhost:PORT)",
      },
      {
        flags: "--audience HOST",
        about: "a further host that callers name it by, beside the issuer's",
        repeatable: true,
      },
      { flags: "--cert FILE", about: "PEM file with the certificate and its chain: speak TLS" },
      { flags: "--key FILE", about: "PEM file with the certificate's private key" },
      { flags: "--trust-proxy", about: "behind one proxy that sets X-Forwarded-For and X-Forwarded-Host" },
      { flags: "--policy FILE", about: "who may mint what (default DIR/policy.yaml)" },
      {
        flags: "--audit FILE",
        about:
          "where everything it does is recorded (default DIR/audit.jsonl), - for standard output, or none",
      },
      { flags: "--algorithm NAME", about: "of signing keys made from now on: EdDSA (default) or ES256" },
      { flags: "--rotate-days N", about: "how old a signing key becomes (default 30)" },
      {
        flags: "--limit NAME=N",
        about: "requests a minute: of one caller (6000), of one address (12000)",
        repeatable: true,
      },
      { flags: "--public-revocations", about: "tell the revocation list to everybody, without reasons" },
      {
        flags: "--registration WHO",
        about: "who may open an account by mail: closed (default), invited, or open",
      },
      { flags: "--mail-from ADDRESS", about: "the sender of mails; needed for registration" },
      { flags: "--public-tokens-feed", about: "tell the trust feed of revoked tokens to everybody" },
      {
        flags: "--attestation-roots FILE|DIR",
        about: "PEM certificates of the makers of TPMs: by them enrolled keys are proven to be in one",
      },
      { flags: "--require-attestation", about: "approve no key that is not proven so" },
      { flags: "--redis-prefix TEXT", about: "what keys in Redis begin with (default ar:)" },
    ],
    environment: [
      ["HOST", "used where --host is not given"],
      ["PORT", "used where --port is not given"],
      ...authorityEnvironment,
      ["AMESH_AUTHORITY_REDIS_URL", "redis://…: where verifiers find a copy of the revocation list"],
      ["AMESH_AUTHORITY_REDIS_URL_FILE", "file with that URL"],
      ["AMESH_SMTP_URL", "smtps://USER:PASSWORD@HOST: what sends the mails of registration"],
      ["AMESH_SMTP_URL_FILE", "file with that URL"],
      ["AMESH_ENROLLMENT_WEBHOOK_URL", "https://…: who is told that a machine asks to be enrolled"],
      [
        "AMESH_ENROLLMENT_WEBHOOK_SECRET_FILE",
        "file with the secret that is sent there as Authorization: Bearer",
      ],
      ...keyStoreEnvironment,
    ],
    examples: [
      ["amesh authority serve --dir ./authority --port 4000", "to try it out"],
      [
        "amesh authority serve --dir /var/lib/amesh --issuer https://issuer.example.com --trust-proxy",
        "behind a proxy with TLS",
      ],
    ],
    exit: [
      ["0", "stopped by a signal"],
      ["1", "it cannot listen, or a file cannot be used"],
      ["2", "an option cannot be read"],
      ["4", "the package @authmesh/authority is not installed, or a passphrase is missing"],
      ["5", "the database cannot be reached"],
    ],
  },

  async run({ argv }) {
    const { runAuthority } = await loadAuthority();
    return runAuthority(argv, { command: "amesh authority serve" });
  },
};
