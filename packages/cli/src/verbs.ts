import type { Verb } from "./verb.js";

/** A verb as the overview shows it. The verb itself is loaded when it is run, so that `amesh` starts fast. */
export interface VerbRow {
  /** One word to three: those that share the first ones are a group, which has a manual of its own. */
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly verb: Verb }>;
}

export const verbs: readonly VerbRow[] = [
  {
    name: "init",
    summary: "make this machine's identity",
    load: () => import("./verbs/init.js"),
  },
  {
    name: "list",
    summary: "show this machine and the devices it trusts",
    load: () => import("./verbs/list.js"),
  },
  {
    name: "listen",
    summary: "let a controller pair with this machine",
    load: () => import("./verbs/listen.js"),
  },
  {
    name: "invite",
    summary: "pair this machine, as controller, with a target that listens",
    load: () => import("./verbs/invite.js"),
  },
  {
    name: "provision",
    summary: "make a bootstrap token for a new machine to be called",
    load: () => import("./verbs/provision.js"),
  },
  {
    name: "bootstrap",
    summary: "let a controller in by its bootstrap token",
    load: () => import("./verbs/bootstrap.js"),
  },
  {
    name: "revoke",
    summary: "take a device's trust away",
    load: () => import("./verbs/revoke.js"),
  },
  {
    name: "grant",
    summary: "set what a controller may do",
    load: () => import("./verbs/grant.js"),
  },
  {
    name: "add",
    summary: "trust a device by its public key, without a pairing",
    load: () => import("./verbs/add.js"),
  },
  {
    name: "request",
    summary: "send a signed HTTP request",
    load: () => import("./verbs/request.js"),
  },
  {
    name: "token exchange",
    summary: "get a token for a CI job by the ID token of its CI",
    load: () => import("./verbs/token-exchange.js"),
  },
  {
    name: "status",
    summary: "say how this machine stands, warnings first",
    load: () => import("./verbs/status.js"),
  },
  {
    name: "doctor",
    summary: "check everything that can keep amesh from working",
    load: () => import("./verbs/doctor.js"),
  },
  {
    name: "explain",
    summary: "explain an error code",
    load: () => import("./verbs/explain.js"),
  },
  {
    name: "repair",
    summary: "accept or replace an allow list that is refused",
    load: () => import("./verbs/repair.js"),
  },
  {
    name: "identity export",
    summary: "back up this machine's key, under a passphrase",
    load: () => import("./verbs/identity-export.js"),
  },
  {
    name: "identity import",
    summary: "bring a machine's identity back from its backup",
    load: () => import("./verbs/identity-import.js"),
  },
  {
    name: "policy validate",
    summary: "find what is wrong with a policy",
    load: () => import("./verbs/policy-validate.js"),
  },
  {
    name: "policy test",
    summary: "run a table of expectations against a policy",
    load: () => import("./verbs/policy-test.js"),
  },
  {
    name: "policy explain",
    summary: "say rule by rule why a policy allows or denies",
    load: () => import("./verbs/policy-explain.js"),
  },
  {
    name: "policy schema",
    summary: "print the JSON Schema of a policy",
    load: () => import("./verbs/policy-schema.js"),
  },
  {
    name: "audit verify",
    summary: "find what was changed in an audit log",
    load: () => import("./verbs/audit-verify.js"),
  },
  {
    name: "audit tail",
    summary: "show an audit log, in lines for people",
    load: () => import("./verbs/audit-tail.js"),
  },
  {
    name: "revoke-token",
    summary: "revoke tokens at the authority that issued them",
    load: () => import("./verbs/revoke-token.js"),
  },
  {
    name: "token inspect",
    summary: "show what a token says, with nothing verified",
    load: () => import("./verbs/token-inspect.js"),
  },
  {
    name: "token verify",
    summary: "verify a token as a service does, step by step",
    load: () => import("./verbs/token-verify.js"),
  },
  {
    name: "register",
    summary: "ask an authority for an account",
    load: () => import("./verbs/register.js"),
  },
  {
    name: "onboard",
    summary: "claim an account, as its first machine",
    load: () => import("./verbs/onboard.js"),
  },
  {
    name: "recover",
    summary: "claim an account again by a recovery code",
    load: () => import("./verbs/recover.js"),
  },
  {
    name: "login",
    summary: "prove this machine's enrollment, for a token",
    load: () => import("./verbs/login.js"),
  },
  {
    name: "enroll passcode",
    summary: "make a passcode for one machine to ask by",
    load: () => import("./verbs/enroll-passcode.js"),
  },
  {
    name: "enroll invite",
    summary: "make an invitation for machines to ask by",
    load: () => import("./verbs/enroll-invite.js"),
  },
  {
    name: "enroll request",
    summary: "ask for this machine to be enrolled, and wait",
    load: () => import("./verbs/enroll-request.js"),
  },
  {
    name: "enroll list",
    summary: "list the enrollments of the account",
    load: () => import("./verbs/enroll-list.js"),
  },
  {
    name: "enroll show",
    summary: "show one enrollment",
    load: () => import("./verbs/enroll-show.js"),
  },
  {
    name: "enroll approve",
    summary: "let a machine in that asked",
    load: () => import("./verbs/enroll-approve.js"),
  },
  {
    name: "enroll deny",
    summary: "refuse a machine that asked",
    load: () => import("./verbs/enroll-deny.js"),
  },
  {
    name: "enroll revoke",
    summary: "take an enrollment away",
    load: () => import("./verbs/enroll-revoke.js"),
  },
  {
    name: "enroll unrevoke",
    summary: "take a revocation back",
    load: () => import("./verbs/enroll-unrevoke.js"),
  },
  {
    name: "enroll narrow",
    summary: "take scopes away from an enrollment",
    load: () => import("./verbs/enroll-narrow.js"),
  },
  {
    name: "enroll extend",
    summary: "set another end of an enrollment",
    load: () => import("./verbs/enroll-extend.js"),
  },
  {
    name: "enroll delete",
    summary: "take an enrollment off the list",
    load: () => import("./verbs/enroll-delete.js"),
  },
  {
    name: "enroll watch",
    summary: "show what changes, as it happens",
    load: () => import("./verbs/enroll-watch.js"),
  },
  {
    name: "enroll stale",
    summary: "list what is unused or ends soon",
    load: () => import("./verbs/enroll-stale.js"),
  },
  {
    name: "enroll needs-renewal",
    summary: "say whether this machine's enrollment ends soon",
    load: () => import("./verbs/enroll-needs-renewal.js"),
  },
  {
    name: "enroll rotate-key",
    summary: "give this machine another key",
    load: () => import("./verbs/enroll-rotate-key.js"),
  },
  {
    name: "relay",
    summary: "run a pairing relay",
    load: () => import("./verbs/relay.js"),
  },
  {
    name: "gateway",
    summary: "verify requests for a service that knows nothing of amesh",
    load: () => import("./verbs/gateway.js"),
  },
  {
    name: "gateway check",
    summary: "find what is wrong with a gateway's configuration",
    load: () => import("./verbs/gateway-check.js"),
  },
  {
    name: "gateway authz",
    summary: "answer a proxy that asks whom to let in",
    load: () => import("./verbs/gateway-authz.js"),
  },
  {
    name: "gateway schema",
    summary: "print the JSON Schema of a gateway's configuration",
    load: () => import("./verbs/gateway-schema.js"),
  },
  {
    name: "serve",
    summary: "run the gateway, as `serve --gateway`",
    load: () => import("./verbs/serve.js"),
  },
  {
    name: "authority init",
    summary: "make an issuer of tokens in a folder",
    load: () => import("./verbs/authority-init.js"),
  },
  {
    name: "authority serve",
    summary: "run an issuer of tokens",
    load: () => import("./verbs/authority-serve.js"),
  },
  {
    name: "authority pair",
    summary: "let a device ask the authority for tokens",
    load: () => import("./verbs/authority-pair.js"),
  },
  {
    name: "authority status",
    summary: "say how an authority stands",
    load: () => import("./verbs/authority-status.js"),
  },
  {
    name: "authority account create",
    summary: "make an account for machines to be enrolled under",
    load: () => import("./verbs/authority-account-create.js"),
  },
  {
    name: "authority account list",
    summary: "list the accounts of an authority",
    load: () => import("./verbs/authority-account-list.js"),
  },
  {
    name: "authority account invite",
    summary: "let a mail address open an account",
    load: () => import("./verbs/authority-account-invite.js"),
  },
  {
    name: "authority feed-key rotate",
    summary: "let another key sign an authority's trust feeds",
    load: () => import("./verbs/authority-feed-key-rotate.js"),
  },
  {
    name: "authority new-epoch",
    summary: "have verifiers take an authority's trust feeds anew",
    load: () => import("./verbs/authority-new-epoch.js"),
  },
  {
    name: "authority forget",
    summary: "unpin an authority's feed key on this machine",
    load: () => import("./verbs/authority-forget.js"),
  },
  {
    name: "keys list",
    summary: "list the signing keys of an authority",
    load: () => import("./verbs/keys-list.js"),
  },
  {
    name: "keys rotate",
    summary: "let an authority's next signing key sign",
    load: () => import("./verbs/keys-rotate.js"),
  },
  {
    name: "token mint",
    summary: "get a token from an authority",
    load: () => import("./verbs/token-mint.js"),
  },
];
