/**
 * The one catalogue of what can go wrong. HTTP bodies, exceptions, exit codes, `amesh explain` and metric labels
 * all come from this table.
 *
 * - `status`: what an HTTP server answers; 0 where the failure never reaches HTTP.
 * - `public`: what the caller may see, when that is less than the code.
 * - `exit`: exit status of the command line: 1 error, 2 usage, 3 denied, 4 not set up or expired, 5 unreachable.
 * - `summary`: what happened, for the operator. `fix`: what mends it.
 */
export interface CatalogueEntry {
  readonly status: number;
  readonly public?: string;
  readonly exit: 1 | 2 | 3 | 4 | 5;
  readonly summary: string;
  readonly fix: string;
}

export const catalogue = {
  // ── A request is refused ──────────────────────────────────────────────────────────────────────────────────
  missing_header: {
    status: 400,
    exit: 3,
    summary: 'The request carries no proof: no Authorization header, and no HTTP signature with tag="amesh".',
    fix: "Call through amesh.fetch or `amesh request`, and let proxies forward the headers Authorization, Signature and Signature-Input.",
  },
  ambiguous_proof: {
    status: 400,
    exit: 3,
    summary: "The request carries two proofs, and they could be of two callers.",
    fix: 'Send one of these alone: an AuthMesh header, an HTTP signature with tag="amesh", a token.',
  },
  malformed_header: {
    status: 400,
    exit: 3,
    summary: "The Authorization header, or a header the check depends on, cannot be read without ambiguity.",
    fix: 'Send one Authorization header of the form AuthMesh v="1",id="…",ts="…",nonce="…",sig="…" and one Host header.',
  },
  coverage_incomplete: {
    status: 400,
    exit: 3,
    summary: "The HTTP signature does not cover all that it must.",
    fix: "Cover @method, @authority, @path, @query if there is one, content-digest if there is a body, and content-type, content-encoding and authmesh-delegation if they are sent.",
  },
  malformed_target: {
    status: 400,
    exit: 3,
    summary: "The request target could be read as another path than the one that was signed.",
    fix: "Send a path that starts with one slash, has no `.` or `..` segments, `\\` or `#`, and a query that is UTF-8.",
  },
  unsupported_version: {
    status: 400,
    exit: 3,
    summary: "The proof is of a protocol version this verifier does not know.",
    fix: "Use version 1 on the caller, or update the verifier.",
  },
  payload_too_large: {
    status: 413,
    exit: 3,
    summary: "The body is larger than the verifier reads.",
    fix: "Send less, or raise maxBodyBytes on the verifier (limits.bodyBytes of the gateway's route).",
  },
  unsupported_content_encoding: {
    status: 415,
    exit: 3,
    summary: "The body is compressed and the verifier was not told that the application decodes it.",
    fix: "Send the body uncompressed, or name the encoding in the option contentEncodings.",
  },
  body_timeout: {
    status: 408,
    exit: 3,
    summary: "The body did not arrive in time.",
    fix: "Send faster, or raise bodyTimeoutSeconds on the verifier.",
  },
  body_incomplete: {
    status: 400,
    exit: 3,
    summary: "The connection ended before the body was complete.",
    fix: "Send the request again.",
  },
  body_parser_ordering_error: {
    status: 500,
    exit: 1,
    summary:
      "Something read the body before the verifier could, and left nothing the signature can be checked against.",
    fix: "Create amesh.verify() before the server starts to listen, or put it before whatever reads the body.",
  },
  unauthorized: {
    status: 401,
    exit: 3,
    summary: "The verifier refused the proof and keeps the reason to itself.",
    fix: "Look for the decision id (header AuthMesh-Decision) in the verifier's log; it stands beside the reason.",
  },
  device_unknown: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary: "The key is not in the allow list.",
    fix: "Pair the two machines: `amesh listen` on the verifier, `amesh invite CODE` on the caller.",
  },
  role_not_controller: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary: "The device is known here as a target: this machine may call it, it may not call this machine.",
    fix: "Pair in the other direction: `amesh listen` here, `amesh invite CODE` on the caller.",
  },
  entry_expired: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary: "The device's entry in the allow list has expired.",
    fix: "Pair again, or add the device again with a later expiry.",
  },
  clock_skew: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary: "The request's timestamp is too far from this machine's clock.",
    fix: "Set both clocks by NTP (`amesh doctor` measures the difference), or raise clockSkewSeconds.",
  },
  host_mismatch: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary:
      "The request was signed for another host, content type or content encoding than it arrived with.",
    fix: "Name every host the callers use in the server's audience: the option or, of the gateway, the member audience, or AMESH_AUDIENCE, and let proxies keep Content-Type.",
  },
  enrollment_ended: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary: "The device's enrollment in the account that this server follows has ended.",
    fix: "Enroll the machine again: `amesh enroll request` there. One whose key was rotated signs with its new key.",
  },
  device_revoked: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary: "The device has been revoked.",
    fix: "If that was a mistake, pair the machines again; if an account or the fleet revoked it: `amesh enroll unrevoke ID`, `amesh revoke ID --everywhere --undo`.",
  },
  delegation_invalid: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary: "The delegation does not make the key that signed the request a session key of the device.",
    fix: "Set both clocks by NTP, and name this server's hosts in its audience if the caller's client has one.",
  },
  signature_invalid: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary:
      "The signature does not fit the request: method, path, query, body or time is not what was signed.",
    fix: "Look for a proxy that rewrites the path, the query or the body.",
  },
  replay_detected: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary: "The nonce, or the token, was used before.",
    fix: "Sign every attempt anew; amesh.fetch does. A retry of the same bytes by a proxy looks like an attack.",
  },
  replay_epoch: {
    status: 401,
    public: "unauthorized",
    exit: 3,
    summary:
      "The request was stamped before this verifier began to remember nonces, so a replay cannot be ruled out.",
    fix: "Sign the request again.",
  },
  scope_missing: {
    status: 403,
    exit: 3,
    summary: "The caller is known but was not granted what this route requires.",
    fix: "Grant it on the verifier: `amesh grant ID NAME:rw`. An enrolled machine asks its account for more: `amesh enroll request`.",
  },
  replay_store_unavailable: {
    status: 503,
    exit: 5,
    summary: "The nonce store cannot be asked or lost its memory, so a replay cannot be ruled out.",
    fix: "If the store is out, bring it back. If it was restarted, replaced or emptied, sign the request again after Retry-After.",
  },
  replay_store_full: {
    status: 503,
    exit: 5,
    summary: "The nonce store is full and this device holds more than its share of it.",
    fix: "Slow the caller down, or raise maxNonces.",
  },
  verifier_busy: {
    status: 503,
    exit: 5,
    summary: "Too many bodies, or attestations, are waiting to be verified.",
    fix: "Retry later, or raise maxPendingBodies (for attestations, maxOpen).",
  },
  verifier_not_ready: {
    status: 500,
    exit: 4,
    summary: "This server has no identity or allow list it can open, so nobody can be let in.",
    fix: "Run `amesh doctor` on the server, as the user it runs as.",
  },

  // ── The allow list ────────────────────────────────────────────────────────────────────────────────────────
  allow_list_integrity_failure: {
    status: 500,
    exit: 1,
    summary:
      "The allow list's seal does not fit its content: the file was changed by something other than amesh.",
    fix: "Find out who wrote it. Restore a copy you trust, or start a new list with `amesh repair --new-list` and pair again.",
  },
  allow_list_rollback: {
    status: 500,
    public: "allow_list_integrity_failure",
    exit: 1,
    summary: "The allow list is older than the last one seen: a revoked device may be back in it.",
    fix: "If you restored a backup on purpose, run `amesh repair --accept`.",
  },
  allow_list_damaged: {
    status: 500,
    public: "allow_list_integrity_failure",
    exit: 1,
    summary: "The allow list cannot be read as one.",
    fix: "Restore a copy you trust, or start a new list with `amesh repair --new-list` and pair again.",
  },
  allow_list_missing: {
    status: 500,
    public: "allow_list_integrity_failure",
    exit: 1,
    summary: "There is an identity but no allow list beside it.",
    fix: "Restore allow_list.json, or start a new list with `amesh repair --new-list` and pair again.",
  },
  allow_list_locked: {
    status: 0,
    exit: 1,
    summary: "Another process is changing the allow list and does not finish.",
    fix: "Try again; if it stays, look at the process named in allow_list.json.lock.",
  },
  allow_list_full: {
    status: 0,
    exit: 1,
    summary:
      "The allow list has no room for what was to be added; nothing was changed. Revoking always works.",
    fix: "Revoke devices that are not needed. If most of it is revocations, run `amesh repair --new-list` and pair again.",
  },
  device_not_found: {
    status: 0,
    exit: 1,
    summary: "No device of this id or name is in the allow list.",
    fix: "Run `amesh list`.",
  },
  device_exists: {
    status: 0,
    exit: 1,
    summary: "The device is in the allow list already; nothing was changed.",
    fix: "Run `amesh list`.",
  },
  device_name_ambiguous: {
    status: 0,
    exit: 2,
    summary: "Several devices bear this name.",
    fix: "Use the device id; `amesh list` shows it.",
  },
  controller_limit_reached: {
    status: 0,
    exit: 1,
    summary: "This machine accepts no further controller.",
    fix: "Replace the present one with --replace, revoke it, or allow more with --max-controllers N: `amesh listen` and `amesh add` take it.",
  },

  // ── Identity and key store ────────────────────────────────────────────────────────────────────────────────
  identity_not_found: {
    status: 0,
    exit: 4,
    summary: "This machine has no identity yet.",
    fix: 'Run `amesh init --name "NAME"`, or set AUTH_MESH_DIR to the folder that has one.',
  },
  identity_exists: {
    status: 0,
    exit: 1,
    summary: "This machine has an identity already; nothing was changed.",
    fix: "Use it, or choose another folder with AUTH_MESH_DIR.",
  },
  identity_damaged: {
    status: 0,
    exit: 1,
    summary: "identity.json cannot be read as an identity.",
    fix: "Restore it from a backup. Without one, move the folder away, run `amesh init` and pair again.",
  },
  key_not_found: {
    status: 0,
    exit: 1,
    summary: "The key store holds no key under this alias.",
    fix: "Restore the key store. If the key is gone, run `amesh init --replace-lost`.",
  },
  key_exists: {
    status: 0,
    exit: 1,
    summary: "The key store holds a key under this alias already; nothing was changed.",
    fix: "Use the key, or choose another folder with AUTH_MESH_DIR.",
  },
  key_mismatch: {
    status: 0,
    exit: 1,
    summary: "The key in the key store is not the one identity.json names.",
    fix: "Put back the key and identity.json that belong together.",
  },
  key_store_damaged: {
    status: 0,
    exit: 1,
    summary: "The key file, or the key in the key store, cannot be read.",
    fix: "Restore it from a backup. Without one, run `amesh init --replace-lost`.",
  },
  key_store_unknown: {
    status: 0,
    exit: 2,
    summary: "There is no key store of this name.",
    fix: "Run `amesh init --help` for the names.",
  },
  key_store_unavailable: {
    status: 0,
    exit: 1,
    summary: "The key store cannot be used on this machine now.",
    fix: "Mend what the error names and try again; docs/guide/key-storage.md tells what each key store needs.",
  },
  key_store_busy: {
    status: 0,
    exit: 1,
    summary: "The key store is in use by another program, or gives no answer in time.",
    fix: "Try again. If it stays, look for the program that holds it; a TPM that hangs needs a restart.",
  },
  key_store_locked: {
    status: 0,
    exit: 1,
    summary: "The key store is locked: nobody unlocked it, or somebody gave wrong passwords.",
    fix: "Unlock it. A lock after wrong passwords ends by itself, or with the lockout password (TPM: tpm2_dictionarylockout -c).",
  },
  key_store_changed: {
    status: 0,
    exit: 1,
    summary: "The key belongs to another key store, or to this one before it was cleared.",
    fix: "Use the hardware or keychain that made the key. If it was cleared, the key is gone: run `amesh init --replace-lost`.",
  },
  key_store_read_only: {
    status: 0,
    exit: 1,
    summary: "The key store uses a key that is made elsewhere; it makes and deletes none.",
    fix: "Make or delete the key where it is kept, such as in the console of the cloud.",
  },
  key_not_exportable: {
    status: 0,
    exit: 1,
    summary: "The key store gives no key out and takes none in that was made elsewhere.",
    fix: "Pair a second machine, with a key of its own, as another controller: `amesh listen` on each peer, `amesh invite CODE` there.",
  },
  backup_damaged: {
    status: 0,
    exit: 1,
    summary: "The file cannot be read as the backup of an identity.",
    fix: "Use another copy of the backup. Without one, run `amesh init` and pair again.",
  },
  passphrase_weak: {
    status: 0,
    exit: 2,
    summary: "Whoever has the backup could guess its passphrase.",
    fix: "Use six or more random words, 15 or more random characters, or --generate-passphrase.",
  },
  attestation_unavailable: {
    status: 0,
    exit: 1,
    summary: "The TPM cannot prove to others that it holds the key; the key itself works.",
    fix: "The error says what stands in the way: a password on the endorsement hierarchy, or a certificate that cannot be read or is for another key.",
  },
  attestation_refused: {
    status: 403,
    exit: 3,
    summary: "It is not proven that the key was made in a TPM and cannot leave it.",
    fix: "Begin anew with a fresh challenge. If it stays, compare the step in the error with docs/guide/key-storage.md.",
  },
  key_store_in_use: {
    status: 0,
    exit: 1,
    summary: "The key is in this key store already; nothing was changed.",
    fix: "Keep it there, or name another key store with --backend.",
  },
  migration_not_found: {
    status: 0,
    exit: 1,
    summary: "No migration to another key store is under way.",
    fix: "Begin one with `amesh init --migrate`.",
  },
  migration_unfinished: {
    status: 0,
    exit: 1,
    summary: "A migration to another key store is under way and comes first; nothing was changed.",
    fix: "`amesh status` says how far it has come.",
  },
  passphrase_missing: {
    status: 0,
    exit: 4,
    summary: "The key file is encrypted and no passphrase was given.",
    fix: "Set AMESH_PASSPHRASE_FILE or AUTH_MESH_PASSPHRASE.",
  },
  passphrase_wrong: {
    status: 0,
    exit: 1,
    summary: "The passphrase does not open the key file, or the file was changed.",
    fix: "Check AUTH_MESH_PASSPHRASE and AMESH_PASSPHRASE_FILE.",
  },
  pin_missing: {
    status: 0,
    exit: 4,
    summary: "The token wants its PIN and none was given.",
    fix: "Set AMESH_PIN_FILE or AMESH_PIN, or run the command in a terminal.",
  },
  pin_wrong: {
    status: 0,
    exit: 1,
    summary: "The token refuses the PIN. It locks after a few wrong ones.",
    fix: "Check AMESH_PIN and AMESH_PIN_FILE before you try again.",
  },
  storage_failed: {
    status: 500,
    exit: 1,
    summary: "A file could not be read or written.",
    fix: "Check the owner and the permissions of the folder and its files, and the free space of the disk.",
  },
  invalid_name: {
    status: 0,
    exit: 2,
    summary: "The name is empty or too long.",
    fix: "Use 1 to 64 characters.",
  },
  invalid_public_key: {
    status: 0,
    exit: 2,
    summary: "This is not a P-256 public key.",
    fix: "Give a compressed point in base64, a PEM public key, or a JWK with crv P-256.",
  },
  invalid_scope: {
    status: 0,
    exit: 2,
    summary: "The scope is not spelt as one.",
    fix: "Write NAME:r or NAME:rw, NAME in lower case: letters, digits and hyphens, at most one dot.",
  },

  // ── Pairing ───────────────────────────────────────────────────────────────────────────────────────────────
  pairing_code_malformed: {
    status: 0,
    exit: 2,
    summary: "This is not a pairing code.",
    fix: "Type the six digits that `amesh listen` shows.",
  },
  pairing_commitment_mismatch: {
    status: 0,
    exit: 3,
    summary: "The other side did not show the key it had committed to: somebody may stand in between.",
    fix: "Run `amesh listen` again and pair anew. If it happens again, use another relay.",
  },
  pairing_frame_invalid: {
    status: 0,
    exit: 3,
    summary: "A pairing message was of the wrong kind, order or length, or its seal did not fit.",
    fix: "Run `amesh listen` again and pair anew. If it happens again, use another relay.",
  },
  pairing_identity_invalid: {
    status: 0,
    exit: 3,
    summary: "The other side could not prove that it holds the key it showed.",
    fix: "Run `amesh listen` again and pair anew. If it happens again, use another relay.",
  },
  pairing_own_key: {
    status: 0,
    exit: 3,
    summary: "The other side showed this machine's own key.",
    fix: "Pair two different machines; on one machine, give each its own AUTH_MESH_DIR.",
  },
  pairing_code_mismatch: {
    status: 0,
    exit: 3,
    summary: "The verification code did not fit. Nothing was changed.",
    fix: "Run `amesh listen` again. If the code was typed as shown, somebody may stand in between: use another relay.",
  },
  pairing_rejected: {
    status: 0,
    exit: 3,
    summary: "The target did not confirm the pairing. Nothing was changed here.",
    fix: "Look at what the target says, then run `amesh listen` there again.",
  },
  pairing_unconfirmed: {
    status: 0,
    exit: 1,
    summary: "The controller did not acknowledge in time, so it was not let in.",
    fix: "Run `amesh list` on the controller, revoke a stale entry there, then pair anew.",
  },
  pairing_timeout: {
    status: 0,
    exit: 5,
    summary: "Timed out waiting for the other device.",
    fix: "Run both commands at the same time against the same relay (--relay URL on both, or AMESH_RELAY_URL).",
  },
  pairing_peer_left: {
    status: 0,
    exit: 1,
    summary: "The other device left before the pairing was complete.",
    fix: "Look at what the other device says, then run `amesh listen` again.",
  },
  pairing_cancelled: {
    status: 0,
    exit: 1,
    summary: "The pairing was cancelled. Nothing was changed.",
    fix: "Run `amesh listen` again when you are ready.",
  },
  pairing_cooldown: {
    status: 0,
    exit: 3,
    summary:
      "Several pairings failed in a short time, as they do when somebody guesses; pairing rests for a minute.",
    fix: "Wait a minute, make sure who is on the other side, then pair anew.",
  },

  // ── Bootstrap ─────────────────────────────────────────────────────────────────────────────────────────────
  bootstrap_token_invalid: {
    status: 0,
    exit: 3,
    summary: "The bootstrap token cannot be read as one, or is not signed by the controller it names.",
    fix: "Make a new one on the controller with `amesh provision --name NAME --ttl 1h`, and hand it over whole.",
  },
  bootstrap_token_expired: {
    status: 0,
    exit: 4,
    summary: "The bootstrap token has expired, or this machine's clock is wrong.",
    fix: "Compare the clocks, then make a new one on the controller: `amesh provision --name NAME --ttl 1h`.",
  },
  bootstrap_token_used: {
    status: 0,
    exit: 3,
    summary: "The bootstrap token was used on this machine before; it works once.",
    fix: "Make a new one on the controller: `amesh provision --name NAME --ttl 1h`.",
  },
  bootstrap_host_mismatch: {
    status: 0,
    exit: 3,
    summary: "The bootstrap token is for a machine of another host name.",
    fix: "Make one for this machine on the controller: `amesh provision --name NAME --host HOST`.",
  },

  // ── The relay's own answers ───────────────────────────────────────────────────────────────────────────────
  otc_not_found: {
    status: 0,
    exit: 3,
    summary: "The relay knows no such code.",
    fix: "Check the digits and that both sides use the same relay; codes live 60 seconds, `amesh listen` makes a new one.",
  },
  otc_expired: {
    status: 0,
    exit: 4,
    summary: "The pairing code has expired.",
    fix: "Run `amesh listen` again for a new code; it lives 60 seconds.",
  },
  otc_in_use: {
    status: 0,
    exit: 1,
    summary: "Another device is listening under this code.",
    fix: "Run `amesh listen` again for another code.",
  },
  peer_already_connected: {
    status: 0,
    exit: 3,
    summary: "Another device has answered this code already.",
    fix: "Run `amesh listen` again for a new code.",
  },
  rate_limited: {
    status: 429,
    exit: 5,
    summary: "Too many attempts in a short time.",
    fix: "Wait a minute.",
  },
  relay_capacity: {
    status: 503,
    exit: 5,
    summary: "The relay holds as many sessions as it can.",
    fix: "Try again in a minute, or run a relay of your own: `amesh relay`.",
  },
  relay_store_unavailable: {
    status: 503,
    exit: 5,
    summary: "The relay cannot ask what its instances share codes through.",
    fix: "Try again in a moment. Who runs the relay: look at its Redis, and at /ready.",
  },
  frame_too_large: {
    status: 0,
    exit: 1,
    summary: "A message was larger than the relay forwards.",
    fix: "Update both sides; a pairing never needs so much.",
  },
  bad_message: {
    status: 0,
    exit: 1,
    summary: "The relay could not read a message.",
    fix: "Update the side that sent it.",
  },
  relay_cannot_listen: {
    status: 0,
    exit: 1,
    summary: "The relay cannot listen on this address and port.",
    fix: "Choose another port with --port N (0 takes a free one), or stop what listens there.",
  },
  origin_refused: {
    status: 403,
    exit: 3,
    summary: "A web page wants to speak to the relay, and the relay does not know its origin.",
    fix: "If the page is yours, start the relay with --allow-origin ORIGIN.",
  },
  relay_unreachable: {
    status: 0,
    exit: 5,
    summary: "The relay cannot be reached.",
    fix: "Start one with `amesh relay` and name it on both sides: --relay ws://HOST:3001/ws, or AMESH_RELAY_URL.",
  },
  relay_protocol_error: {
    status: 0,
    exit: 5,
    summary: "What answered is not an amesh relay, or not of a version this side knows.",
    fix: "Check the URL: it ends in /ws. Update the relay or this side.",
  },

  // ── Audit ─────────────────────────────────────────────────────────────────────────────────────────────────
  audit_unavailable: {
    status: 503,
    exit: 5,
    summary: "The audit cannot be written, and nothing is let in that it could not tell of.",
    fix: "Mend the audit sinks that the log names, or require fewer of them.",
  },

  // ── Routes and clients with tokens ────────────────────────────────────────────────────────────────────────
  action_mismatch: {
    status: 403,
    exit: 3,
    summary: "The token is good, and for another action than this route's.",
    fix: "Obtain a token for the action of this route; the issuer's policy must allow it to this caller.",
  },
  token_unverified: {
    status: 500,
    exit: 1,
    summary: "A guard of a route ran for a request whose token nobody had verified; it was not let through.",
    fix: "Put verifyToken in front of requireAction and requireScope, and give them the context that it made.",
  },
  authority_unreachable: {
    status: 0,
    exit: 5,
    summary: "The authority cannot be reached, or cannot answer, so there is no token.",
    fix: "Check the authority's URL, that it runs, and what stands between.",
  },
  token_refused: {
    status: 0,
    exit: 3,
    summary: "The authority refused to issue the token.",
    fix: "Where it gives no reason, its log does; on its machine `amesh list --authority DIR` shows the devices that it knows.",
  },

  // ── Calling ───────────────────────────────────────────────────────────────────────────────────────────────
  body_too_large_to_sign: {
    status: 0,
    exit: 2,
    summary: "A streamed body is larger than the client buffers; a signature needs all of it first.",
    fix: "Send a smaller body, or raise maxBodyBytes in createClient.",
  },
  redirect_refused: {
    status: 0,
    exit: 1,
    summary: "The server redirects to another origin, and a signature for one is never shown to another.",
    fix: 'Call the other origin yourself, or read the redirect with `redirect: "manual"`.',
  },
  service_unreachable: {
    status: 0,
    exit: 5,
    summary: "The service cannot be reached.",
    fix: "Check the URL, that the service runs, and what stands between.",
  },
  service_error: {
    status: 0,
    exit: 1,
    summary: "The service answered with an error that is not amesh's.",
    fix: "Read the answer; the reason is in the service's own log.",
  },

  // ── Issuer keys and revocations ───────────────────────────────────────────────────────────────────────────
  issuer_unreachable: {
    status: 503,
    exit: 5,
    summary: "The issuer's keys cannot be had, and none of them is known that is not too old.",
    fix: "Check that the issuer runs, that its /.well-known/jwks.json can be reached from here, and the certificate there.",
  },
  revocation_unavailable: {
    status: 503,
    exit: 5,
    summary: "Nobody can say whether the token was revoked: the list cannot be asked, or is too old.",
    fix: "Check the issuer's /v1/revocations or the Redis that holds its list; the detail says which, and why.",
  },

  // ── Gateway ───────────────────────────────────────────────────────────────────────────────────────────────
  ambiguous_request: {
    status: 400,
    exit: 3,
    summary: "The request could be read in two ways, by the gateway and by the service behind it.",
    fix: "Send one Host, one length, and a plain path: no dot segments, `//`, `;`, or escapes of what needs none.",
  },
  no_route: {
    status: 404,
    exit: 3,
    summary: "The gateway has no route for this host and path.",
    fix: "Check the host and the path; whoever runs the gateway lists its routes with `amesh gateway check`.",
  },
  method_not_routed: {
    status: 405,
    exit: 3,
    summary: "The gateway has routes for this path, and none for this method.",
    fix: "Use a method that the header Allow names, or name the method in the route.",
  },
  proof_not_accepted: {
    status: 401,
    exit: 3,
    summary: "The request carries a proof of a kind that this route does not accept.",
    fix: "Prove yourself in one of the ways that the route's `accept` lists.",
  },
  upstream_unreachable: {
    status: 502,
    exit: 5,
    summary: "The service behind the gateway cannot be reached, or broke off before it answered.",
    fix: "Check that the service runs where the upstream's `urls` say; the gateway's log has the reason.",
  },
  upstream_garbled: {
    status: 502,
    exit: 5,
    summary: "What the service behind the gateway answered is not HTTP that can be read in one way.",
    fix: "Check what listens where the upstream's `urls` say; the gateway's log has the reason.",
  },
  upstream_timeout: {
    status: 504,
    exit: 5,
    summary: "The service behind the gateway took too long.",
    fix: "Find out what keeps it, or raise the route's `timeouts`.",
  },
  upstream_unhealthy: {
    status: 503,
    exit: 5,
    summary: "Every server of the upstream fails its health check, so none is asked.",
    fix: "Check the servers; `amesh_gateway_upstream_healthy` on the admin port shows which fail.",
  },
  gateway_busy: {
    status: 503,
    exit: 5,
    summary: "The gateway has as many connections, WebSockets or waiting bodies as it may.",
    fix: "Try again later; whoever runs the gateway may raise maxConnections, maxWebSockets or spoolBytes.",
  },
  body_unseen: {
    status: 403,
    exit: 3,
    summary: "The proof covers the body, and the proxy that asks does not show it.",
    fix: "Put routes with signed bodies behind `amesh gateway`, or have the proxy show bodies where it can.",
  },
  gateway_config_invalid: {
    status: 0,
    exit: 2,
    summary: "The configuration of the gateway cannot be used.",
    fix: "Mend what the message names; `amesh gateway check FILE` names everything that is wrong.",
  },
  gateway_cannot_listen: {
    status: 0,
    exit: 1,
    summary: "The gateway cannot listen on its address.",
    fix: "Choose another --port, or end what listens there.",
  },

  // ── Authority ─────────────────────────────────────────────────────────────────────────────────────────────
  authority_request_invalid: {
    status: 400,
    exit: 2,
    summary: "The request to the authority cannot be read.",
    fix: "Send what docs/protocol.md, section 8.9 has for this endpoint.",
  },
  mint_denied: {
    status: 403,
    exit: 3,
    summary: "No rule of the authority's policy lets this caller have this token.",
    fix: "Ask who runs the authority for a rule.",
  },
  authority_policy_invalid: {
    status: 0,
    exit: 1,
    summary: "The authority's policy cannot be used.",
    fix: "Mend the file that the detail names; docs/guide/authority.md shows one.",
  },
  database_unavailable: {
    status: 503,
    exit: 5,
    summary: "The authority's database cannot be used.",
    fix: "Check that the database runs and can be written; an authority that runs goes on by itself then, one that did not start has to be started again.",
  },
  authority_not_ready: {
    status: 503,
    exit: 5,
    summary: "The authority cannot sign tokens now.",
    fix: "Ask GET /ready of the authority what it waits for.",
  },
  signing_key_revoked: {
    status: 503,
    exit: 5,
    summary: "The key that the authority signs with is revoked, so that nobody would take its tokens.",
    fix: "On the authority's machine: `amesh keys rotate --dir DIR`, with --force where it is too soon.",
  },
  authority_not_found: {
    status: 0,
    exit: 4,
    summary: "There is no authority in this folder.",
    fix: "Run `amesh authority init`, or name its folder with --dir.",
  },
  authority_cannot_listen: {
    status: 0,
    exit: 1,
    summary: "The authority cannot listen where it was told to.",
    fix: "Choose another port with --port N.",
  },
  rotation_too_soon: {
    status: 0,
    exit: 1,
    summary: "The next signing key was published only a moment ago, and verifiers may not know it yet.",
    fix: "Wait, or rotate at once with --force.",
  },

  // ── Tokens ────────────────────────────────────────────────────────────────────────────────────────────────
  token_malformed: {
    status: 401,
    exit: 3,
    summary: "This is not a token that reads in one way.",
    fix: "Send one header `Authorization: OathMesh TOKEN`, the token as the issuer gave it.",
  },
  algorithm_not_allowed: {
    status: 401,
    exit: 3,
    summary: "The token names an algorithm that is not accepted here.",
    fix: "Use a token of EdDSA or ES256, or name the algorithm in the option algorithms.",
  },
  issuer_untrusted: {
    status: 401,
    exit: 3,
    summary: "The token is of an issuer that is not trusted here.",
    fix: "Get the token from an issuer of the option trustedIssuers; the URLs are compared letter by letter.",
  },
  claim_missing: {
    status: 401,
    exit: 3,
    summary: "There is no token, or it lacks a claim that every token has.",
    fix: "Send a header `Authorization: OathMesh TOKEN`, with a token of an amesh issuer.",
  },
  claim_invalid: {
    status: 401,
    exit: 3,
    summary: "A claim of the token is not of the form it must have.",
    fix: "Mint the token with what docs/guide/tokens.md says of the claim.",
  },
  key_unknown: {
    status: 401,
    exit: 3,
    summary: "The issuer publishes no such key, or not for this algorithm.",
    fix: "Get a new token. If it stays, compare the token's kid with the issuer's /.well-known/jwks.json.",
  },
  token_expired: {
    status: 401,
    exit: 4,
    summary: "The token's time is over.",
    fix: "Get a new token; one lives five minutes at most. If it is new, set the clocks by NTP.",
  },
  lifetime_exceeded: {
    status: 401,
    exit: 3,
    summary: "The token lives longer than any may, or ends before it begins.",
    fix: "Mint it for 1 to 300 seconds.",
  },
  token_not_yet_valid: {
    status: 401,
    exit: 3,
    summary: "The token is of the future.",
    fix: "Set the clocks of issuer and verifier by NTP, or wait until the token's nbf.",
  },
  audience_mismatch: {
    status: 401,
    exit: 3,
    summary: "The token is for another audience.",
    fix: "Get a token whose aud is this service's, letter by letter.",
  },
  binding_mismatch: {
    status: 401,
    exit: 3,
    summary:
      "The token is for another request, or the request is not signed by the key that the token names.",
    fix: "Send the request as it was hashed. With cnf, sign it as docs/protocol.md, section 8.3, says.",
  },
  binding_required: {
    status: 401,
    exit: 3,
    summary: "This service takes only tokens that are bound to one request.",
    fix: "Get a token with the request's hash in rqh.",
  },
  revoked: {
    status: 401,
    exit: 3,
    summary: "The token, its subject, tenant or key has been revoked.",
    fix: "Ask who runs the issuer; its revocation list holds the reason.",
  },
  policy_denied: {
    status: 403,
    exit: 3,
    summary: "The policy does not allow this subject to do this.",
    fix: "`amesh policy explain` shows rule by rule why. A service without a policy denies everything.",
  },

  // ── Policy ────────────────────────────────────────────────────────────────────────────────────────────────
  policy_invalid: {
    status: 0,
    exit: 1,
    summary: "The policy, or the table of cases it is tested with, cannot be read as one.",
    fix: "Run `amesh policy validate FILE`; it names the line. `amesh policy schema` prints what may be written.",
  },

  // ── Exchange ──────────────────────────────────────────────────────────────────────────────────────────────
  exchange_request_invalid: {
    status: 400,
    exit: 2,
    summary: "The request for an exchange cannot be read, or asks for what no token can say.",
    fix: "Send the parameters of docs/protocol.md, section 8.10, as a form, each at most once.",
  },
  exchange_denied: {
    status: 403,
    exit: 3,
    summary: "No rule of the authority grants this job what it asks for.",
    fix: "Compare what the job asks for, and the claims of its ID token, with the authority's rules; its log says beside the decision id why each of them did not grant it.",
  },
  exchange_config_invalid: {
    status: 0,
    exit: 2,
    summary: "The configuration of the exchange cannot be used.",
    fix: "Correct what the error names; docs/guide/github-actions.md and docs/guide/gitlab.md show whole examples.",
  },
  oidc_token_unavailable: {
    status: 0,
    exit: 4,
    summary: "There is no ID token of a CI job here.",
    fix: "In GitHub Actions give the job `permissions: id-token: write`, in GitLab `id_tokens`, or name a file with --oidc-token-file.",
  },

  // ── Enrollment ────────────────────────────────────────────────────────────────────────────────────────────
  invalid_enrollment_name: {
    status: 400,
    exit: 2,
    summary: "The name of an account, an app or a device has a form that no such name has.",
    fix: "Accounts are @ and 2 to 32 letters, digits and hyphens; apps and devices 1 to 64 letters, digits, dots, hyphens and underscores.",
  },
  account_taken: {
    status: 0,
    exit: 1,
    summary: "There is an account of this name already.",
    fix: "Choose another name; `amesh authority account list` shows those there are.",
  },
  registration_closed: {
    status: 403,
    exit: 3,
    summary: "The authority opens no accounts for strangers.",
    fix: "Ask who runs it for `amesh authority account create @NAME`, or for an invitation of your address.",
  },
  activation_refused: {
    status: 401,
    exit: 3,
    summary: "The activation code is wrong, was used, or is over.",
    fix: "Ask for another one with `amesh register @NAME --email ADDRESS --authority URL`.",
  },
  onboarding_refused: {
    status: 401,
    exit: 3,
    summary: "The authority does not accept this secret for this account and this key.",
    fix: "Check account, URL and secret. A secret works once, within seven days; afterwards: `amesh recover @NAME --authority URL`.",
  },
  recovery_refused: {
    status: 401,
    exit: 3,
    summary: "The authority does not accept this recovery code for this account.",
    fix: "Check account and code; each code works once.",
  },
  challenge_refused: {
    status: 401,
    exit: 3,
    summary: "The authority does not accept the answer to its challenge.",
    fix: "See by `amesh status` where this machine was enrolled. If it was there, its enrollment was deleted: `amesh enroll request` asks anew, or, with a key that was revoked, in another folder (AUTH_MESH_DIR).",
  },
  passcode_refused: {
    status: 401,
    exit: 3,
    summary: "There is no such account, or the passcode or invitation is wrong, used up or over.",
    fix: "Check the account's name, and ask for a fresh one: `amesh enroll passcode` on an enrolled machine.",
  },
  enrollment_pending: {
    status: 403,
    exit: 4,
    summary: "Nobody has decided on this machine's enrollment yet.",
    fix: "Have it approved: `amesh enroll list --status pending` on a machine that may approve.",
  },
  enrollment_denied: {
    status: 403,
    exit: 3,
    summary: "This machine's enrollment was denied.",
    fix: "Ask who denied it; `amesh enroll request` asks anew.",
  },
  enrollment_revoked: {
    status: 403,
    exit: 3,
    summary: "This machine's enrollment was revoked.",
    fix: "Ask who revoked it: on a machine that may approve, `amesh enroll unrevoke ID` takes it back.",
  },
  enrollment_expired: {
    status: 403,
    exit: 4,
    summary: "This machine's enrollment has expired.",
    fix: "Ask anew with `amesh enroll request`; before the end, `amesh enroll extend ID --lifetime 90d` would do.",
  },
  enrollment_not_found: {
    status: 404,
    exit: 1,
    summary: "There is no such enrollment in this account.",
    fix: "See those there are: `amesh enroll list`.",
  },
  enrollment_state: {
    status: 409,
    exit: 1,
    summary: "The enrollment is not in a state in which this can be done.",
    fix: "See its state: `amesh enroll show ID`.",
  },
  enrollment_code_mismatch: {
    status: 0,
    exit: 3,
    summary:
      "The comparison code is another one: this is not the request of that machine. Nothing was changed.",
    fix: "Compare with what the machine shows. If that is what was given, have the request denied: `amesh enroll deny ID`.",
  },
  enrollment_self: {
    status: 409,
    exit: 3,
    summary: "An enrollment cannot do this to itself.",
    fix: "Do it from another machine that may approve.",
  },
  enrollment_key_in_use: {
    status: 409,
    exit: 1,
    summary: "This key has an enrollment already, or had one that was revoked.",
    fix: "`amesh login` tells its state. If that is refused, or it was revoked, the key is never taken again: `amesh enroll request` in another folder (AUTH_MESH_DIR) makes another one.",
  },
  enrollment_name_taken: {
    status: 409,
    exit: 1,
    summary: "Another enrollment has the same app and device.",
    fix: "Revoke and delete the other one, or take another name: --device NAME.",
  },
  last_root: {
    status: 409,
    exit: 3,
    summary: "This would take the account's last root away, and nobody could manage it any more.",
    fix: "Enroll and approve another root first: `amesh enroll request --scope '*:rw,__manage:rw'`, without --lifetime.",
  },
  approval_exceeds: {
    status: 403,
    exit: 3,
    summary: "More would be granted than may be.",
    fix: "Narrow the grant with --scope or --lifetime, or have it approved by a machine that holds it.",
  },
  attestation_required: {
    status: 403,
    exit: 3,
    summary: "The authority enrolls only keys that are proven to be in a TPM.",
    fix: "Deny it, and have the machine ask anew with a key in a TPM of a maker that the authority knows: `amesh enroll request --backend tpm --attest`.",
  },
  // ── Trust feed ────────────────────────────────────────────────────────────────────────────────────────────
  trust_stale: {
    status: 503,
    exit: 5,
    summary: "The copy of the trust feed is older than it may be, or there is none.",
    fix: "See on the verifier that it reaches its authority, or its Redis: its log says why it does not, `amesh status` there shows its copies.",
  },
  feed_gone: {
    status: 410,
    exit: 1,
    summary: "The changes since that number are not known any more.",
    fix: "Take a snapshot.",
  },
  feed_key_changed: {
    status: 503,
    exit: 3,
    summary: "The authority's feed is signed with another key than the one that this machine has pinned.",
    fix: "Find out why. If the authority was set up anew, `amesh authority forget URL` unpins it.",
  },
  feed_forked: {
    status: 503,
    exit: 3,
    summary: "The authority's feed tells two different stories of one number.",
    fix: "Find out why: its database was put back without `amesh authority new-epoch`, or its feed key is in other hands.",
  },
  feed_behind: {
    status: 503,
    exit: 3,
    summary: "The authority stands behind what it told of the trust feed before.",
    fix: "Find out why: its database was put back without `amesh authority new-epoch`, or one of its replicas sees an older one.",
  },
  feed_malformed: {
    status: 502,
    exit: 1,
    summary: "A statement of the trust feed cannot be read, or its signature is wrong.",
    fix: "See that URL and key are those of the authority, and that no proxy changes its answers.",
  },
  feed_copy_damaged: {
    status: 503,
    exit: 3,
    summary:
      "What this machine keeps of a trust feed was changed by something else, or is another identity's.",
    fix: "Find out why. `amesh authority forget URL` has it begin anew.",
  },
  // ── The command line ──────────────────────────────────────────────────────────────────────────────────────
  input_required: {
    status: 0,
    exit: 2,
    summary: "An answer is needed and there is no terminal to ask on.",
    fix: "Give the answer as a flag; `--help` lists them.",
  },
  invalid_option: {
    status: 0,
    exit: 2,
    summary: "An option is not known here, or its value cannot be read.",
    fix: "Run the command with --help.",
  },
  declined: {
    status: 0,
    exit: 1,
    summary: "The question was answered with no. Nothing was changed.",
    fix: "Run the command again when you have decided.",
  },
  code_unknown: {
    status: 0,
    exit: 2,
    summary: "There is no such code.",
    fix: "Run `amesh explain` for the list.",
  },
  package_missing: {
    status: 0,
    exit: 4,
    summary: "The command needs a package that is not installed.",
    fix: "Install the package with npm, beside @authmesh/cli.",
  },
  unexpected_error: {
    status: 500,
    exit: 1,
    summary: "Something failed that amesh has no name for.",
    fix: "Report what the log or, with AMESH_DEBUG=1, the command prints.",
  },
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

/** Every code of the catalogue; `switch (error.code)` narrows over it. */
export type ErrorCode = keyof typeof catalogue;

/** A refusal as data: what the caller may see, and beside it what only the operator reads. */
export interface Failure {
  readonly code: ErrorCode;
  /** HTTP status; 0 where the failure never reaches HTTP. */
  readonly status: number;
  /** What the caller may see. */
  readonly public: string;
  /** What happened this time. Never holds a secret; foreign text in it is escaped and cut. */
  readonly detail: string;
  readonly fix: string;
  /** Seconds after which another attempt has a chance, where that is known. */
  readonly retryAfterSeconds?: number;
}

/** Looks a code up; `undefined` for text that is not one. */
export function lookUp(code: string): (CatalogueEntry & { readonly code: ErrorCode }) | undefined {
  return Object.hasOwn(catalogue, code)
    ? { code: code as ErrorCode, ...catalogue[code as ErrorCode] }
    : undefined;
}

/** A failure of the catalogue; `detail` defaults to the entry's summary, `fix` to its mend. */
export function failure(code: ErrorCode, detail?: string, fix?: string): Failure {
  const entry: CatalogueEntry = catalogue[code];
  return {
    code,
    status: entry.status,
    public: entry.public ?? code,
    detail: detail ?? entry.summary,
    fix: fix ?? entry.fix,
  };
}

const mark = Symbol.for("@authmesh/core AmeshError");

/**
 * The one exception of amesh. What comes from the wire, a file or a person raises only this; a mistake of the
 * programmer is a `TypeError`. `instanceof` knows those of another copy of this package too.
 */
export class AmeshError extends Error {
  override readonly name = "AmeshError";
  readonly failure: Failure;

  constructor(failure: Failure | ErrorCode, detail?: string, options?: { fix?: string; cause?: unknown }) {
    const whole = typeof failure === "string" ? toFailure(failure, detail, options?.fix) : failure;
    super(whole.detail, options?.cause === undefined ? undefined : { cause: options.cause });
    this.failure = whole;
  }

  get [mark](): true {
    return true;
  }

  get code(): ErrorCode {
    return this.failure.code;
  }

  /** What mends it. */
  get fix(): string {
    return this.failure.fix;
  }
}

// Packages that are installed with `npm install --global` each bring a copy, and the command line calls the others.
Object.defineProperty(AmeshError, Symbol.hasInstance, {
  value(this: unknown, value: unknown): boolean {
    if (this !== AmeshError) return Function.prototype[Symbol.hasInstance].call(this, value);
    return value instanceof Error && mark in value;
  },
});

const toFailure = failure;

/** Foreign text for a log line or an error: what is unseen or moves the cursor is escaped, cut at `maxLength` code units. */
export function quoteForeign(text: string, maxLength = 64): string {
  const cut = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return JSON.stringify(cut).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, i) => escapeUnit(character.charCodeAt(i))).join(""),
  );
}

/**
 * A sentence of another machine that is meant for people, for an error: on one line, cut at 1,000 code units, with nothing that
 * is unseen or moves the cursor.
 *
 * @returns undefined for what is no text
 */
export const foreignSentence = (text: unknown): string | undefined =>
  typeof text === "string" ? text.slice(0, 1000).replace(/[\s\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ") : undefined;

const escapeUnit = (unit: number): string => `\\u${unit.toString(16).padStart(4, "0")}`;
