import { AmeshError, isoTime } from "@authmesh/core";
import type { Revocation, RevocationSubject } from "@authmesh/oath";
import { type AskAuthority, openAuthorityClient } from "../authority/ask-authority.js";
import { authorityUrlEnvironment, authorityUrlOption, readAuthorityUrl } from "../authority/authority-url.js";
import {
  addRevocation,
  isPublished,
  listRevocations,
  type Named,
  removeRevocation,
} from "../authority/revocations.js";
import type { Call } from "../call.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import { refuseBeside } from "../refuse-beside.js";
import { visible } from "../terminal/visible.js";
import { parseDuration, unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

const subjects: Readonly<Record<RevocationSubject, string>> = {
  jti: "one token, by its id",
  sub: "every token of a subject: svc://billing/worker",
  kid: "every token that a signing key of the authority signed",
  tenant: "every token of a tenant",
};

/** Longer than a token that is there now can be good, and clocks can differ. */
const lifeOfTokenEntry = 3600;

export const verb: Verb = {
  manual: {
    description: [
      "Revokes tokens at the authority that issued them: one, or all of a subject, a tenant or a signing key, those that are issued later too. Services that follow the authority's list refuse them within seconds; services that follow none take a token until it expires, five minutes at most. A machine that is to get no more tokens is taken from the authority's devices (`amesh revoke --authority`).",
      "The request is signed with this machine's key. The authority must know it and must have granted it revocations:rw. Asks before it changes anything.",
    ],
    options: [
      authorityUrlOption,
      ...Object.entries(subjects).map(([by, about]) => ({ flags: `--${by} VALUE`, about })),
      { flags: "--reason TEXT", about: "why, for those who read the list and the audit" },
      {
        flags: "--expires TIME",
        about: "forget it after that time: 45s, 12h, 90d (default for --jti 1h, otherwise never)",
      },
      { flags: "--list", about: "show what is revoked" },
      { flags: "--remove", about: "take a revocation back" },
      { flags: "--yes", about: "do not ask" },
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      ['amesh revoke-token --sub svc://billing/worker --reason "laptop stolen"', "everything of a subject"],
      ["amesh revoke-token --remove --sub svc://billing/worker", "take it back"],
      ["amesh revoke-token --list --json | jq -r '.revocations[].value'", "what is revoked"],
    ],
    exit: [
      ["0", "done"],
      ["1", "the answer was no, or there is no such revocation"],
      ["2", "the command line cannot be read, or there is no terminal to ask on"],
      ["3", "the authority does not know this machine, or did not grant it revocations:rw"],
      ["4", "there is no identity yet"],
      ["5", "the authority cannot be reached"],
    ],
  },

  async run(call) {
    const authority = readAuthorityUrl(call);
    const work = readWork(call);
    await work(await openAuthorityClient(call, authority));
    return undefined;
  },
};

type Work = (ask: AskAuthority) => Promise<void>;

/** What the options ask for; nothing is done before all of them make sense. */
function readWork(call: Call): Work {
  if (call.flag("list")) {
    refuseBeside(call, "revoke-token", "list", [...Object.keys(subjects), "remove", "reason", "expires"]);
    return (ask) => list(call, ask);
  }
  const named = readNamed(call);
  if (call.flag("remove")) {
    refuseBeside(call, "revoke-token", "remove", ["reason", "expires"]);
    return (ask) => remove(call, ask, named);
  }
  const reason = call.text("reason");
  if (!reason) throw usage("--reason is missing.");
  const lifetime = call.text("expires");
  const seconds =
    lifetime === undefined ? (named.by === "jti" ? lifeOfTokenEntry : undefined) : parseDuration(lifetime);
  const expiresAt = seconds === undefined ? undefined : unixSeconds() + seconds;
  return (ask) => revoke(call, ask, named, { reason, expiresAt });
}

function readNamed(call: Call): Named {
  const given = (Object.keys(subjects) as RevocationSubject[]).filter((by) => call.has(by));
  const [by] = given;
  if (by === undefined || given.length > 1)
    throw usage(
      `Give one of ${Object.keys(subjects)
        .map((name) => `--${name}`)
        .join(", ")}.`,
    );
  const value = call.text(by) ?? "";
  // What jq prints of a document that has no such member.
  if (by === "jti" && value === "null") throw usage("null is no token's id.");
  return { by, value };
}

const usage = (detail: string): AmeshError =>
  new AmeshError("invalid_option", detail, { fix: "`amesh revoke-token --help` explains the command." });

async function revoke(
  call: Call,
  ask: AskAuthority,
  named: Named,
  entry: { readonly reason: string; readonly expiresAt: number | undefined },
): Promise<void> {
  const { terminal } = call;
  if (named.by === "kid" && !(await isPublished(ask, named.value)))
    terminal.warn(
      `the authority publishes no key ${shown(named.value)}; \`amesh keys list\` shows those that there are.`,
    );
  if (named.by === "tenant" && named.value.includes("*"))
    terminal.warn("patterns do not work here: this is the tenant of exactly that name.");
  await agree(call, `Revoke ${describe(named)}?`);
  const expiresAt = (await addRevocation(ask, named, entry)) ?? null;
  const until = expiresAt === null ? "for good" : `until ${isoTime(expiresAt)}`;
  const { reason } = entry;
  terminal.answer({ revoked: { ...named, reason, expiresAt } }, () =>
    done(`Revoked ${until}: ${describe(named)}.`),
  );
  terminal.next("amesh revoke-token --list");
}

async function remove(call: Call, ask: AskAuthority, named: Named): Promise<void> {
  await agree(call, `Take the revocation of ${describe(named)} back?`);
  await removeRevocation(ask, named);
  call.terminal.answer({ removed: named }, () => done(`Not revoked any more: ${describe(named)}.`));
}

async function agree(call: Call, question: string): Promise<void> {
  if (!call.flag("yes"))
    await call.terminal.questions.require(question, "Give --yes to do it without being asked.");
}

async function list({ terminal }: Call, ask: AskAuthority): Promise<void> {
  const revocations = await listRevocations(ask, unixSeconds());
  terminal.answer({ revocations }, () =>
    revocations.length === 0 ? "Nothing is revoked." : revocations.map(describeEntry).join("\n"),
  );
}

const describe = ({ by, value }: Named): string => `${by} ${shown(value)}`;

/** Whole: two subjects can begin alike. */
const shown = (value: string): string => visible(JSON.stringify(value));

function describeEntry({ by, value, reason, actor, at, expiresAt }: Revocation): string {
  const until = expiresAt === undefined ? "for good" : `until ${isoTime(expiresAt)}`;
  return [
    `${by.padEnd(6)}  ${shown(value)}`,
    `        ${until}; ${isoTime(at)} by ${actor === "" ? "somebody" : visible(actor)}${reason && `: ${shown(reason)}`}`,
  ].join("\n");
}
