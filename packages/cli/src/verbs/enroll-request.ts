import { AmeshError, type ErrorCode, isoTime, parseScopes } from "@authmesh/core";
import {
  cancelEnrollment,
  type EnrollmentOutcome,
  rememberedEnrollment,
  requestEnrollment,
  waitForEnrollment,
} from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment, authorityUrlOption } from "../authority/authority-url.js";
import type { Call } from "../call.js";
import { describeAttestation, formatCode } from "../enroll/describe.js";
import { readLifetime } from "../enroll/lifetime.js";
import {
  attestOptions,
  newMachineOptions,
  readAttest,
  readNewMachine,
  tellCreated,
} from "../enroll/new-machine.js";
import { enrollOptions } from "../enroll/remembered-authority.js";
import { readSecretInput } from "../enroll/secret-input.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done, formatScopes } from "../layout.js";
import { interruption } from "../pairing-run.js";
import { refuseBeside } from "../refuse-beside.js";
import { requiredOption } from "../required-option.js";
import { visible } from "../terminal/visible.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Asks for this machine to be enrolled in an account, and waits until that is decided. Makes the identity of this machine if there is none. The passcode comes from `amesh enroll passcode` on an enrolled machine, or is an invitation of `amesh enroll invite`; it is read from a file, standard input or a question.",
      "Shows a comparison code: whoever approves must see the same one. An interruption leaves the request standing for 24 hours: --resume goes on waiting, also after a restart, and --cancel withdraws it.",
      "Where the key is in a TPM, the TPM proves that to the authority, and approvers see it. The proof names this one TPM, and so the machine; --no-attest leaves it out.",
      "With --json every step is one line: requested, decided.",
    ],
    options: [
      { flags: "--account @NAME", about: "the account" },
      { flags: "--app NAME", about: "what runs here: 1 to 64 letters, digits and _ . -" },
      { flags: "--scope SCOPES", about: "what it is to be allowed: orders:rw,profile:r" },
      { flags: "--lifetime TIME", about: "how long it is to last: 12h, 90d (default: no end)" },
      {
        flags: "--passcode-file FILE|-",
        about: "a file that holds the passcode or invitation, or - for standard input",
      },
      ...newMachineOptions,
      ...attestOptions,
      { flags: "--no-wait", about: "do not wait until it is decided" },
      { flags: "--resume", about: "go on waiting for the request that stands" },
      { flags: "--cancel", about: "withdraw the request that stands" },
      authorityUrlOption,
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: [
      [
        "amesh enroll request --account @acme --app orders --scope orders:rw,profile:r",
        "asks for the passcode",
      ],
      [
        "amesh enroll request --account @acme --app orders --scope orders:r --passcode-file - < inv",
        "in a script",
      ],
      ["amesh enroll request --resume", "after an interruption or a restart"],
    ],
    exit: [
      ["0", "approved; with --no-wait: the request stands; with --cancel: withdrawn"],
      ["1", "another enrollment has the key or the names, or a file or key store cannot be used"],
      ["2", "the command line cannot be read, or an answer is needed and nobody can be asked"],
      ["3", "denied or revoked; or the passcode is wrong, used or over"],
      ["4", "interrupted while nobody had decided; or the request has expired"],
      ["5", "the authority cannot be reached"],
    ],
  },

  async run(call) {
    if (call.has("cancel")) {
      refuseBeside(call, "enroll request", "cancel", [...ofNew, "resume"]);
      await cancel(call);
    } else if (call.has("resume")) {
      refuseBeside(call, "enroll request", "resume", ofNew);
      await resume(call);
    } else await request(call);
    return undefined;
  },
};

/** What a request that stands says already. */
const ofNew = ["account", "app", "scope", "lifetime", "passcode-file", "device", "backend", "attest"];

async function request(call: Call): Promise<void> {
  const { terminal } = call;
  const [account, appName, scope] = ["account", "app", "scope"].map((option) =>
    requiredOption(call, "enroll request", option),
  ) as [string, string, string];
  const asked = {
    ...readNewMachine(call, { account, appName }),
    scopes: parseScopes(scope),
    attest: readAttest(call),
    lifetimeSeconds: readLifetime(call),
    passcode: await readSecretInput(call, { option: "passcode-file", what: "Passcode" }),
  };
  const requested = await terminal.during("Waiting for the authority", requestEnrollment(asked));
  const { created, ...standing } = requested;
  const { status, attestation = "none" } = standing;
  tellCreated(terminal, created);
  tellRequest(call, standing);
  if (attestation !== "none")
    terminal.note(
      `What the authority knows of the key: ${describeAttestation({ ...standing, attestation })}`,
    );
  if (status !== "pending" || !call.flag("no-wait")) return wait(call);
  terminal.next("amesh enroll request --resume");
}

async function resume(call: Call): Promise<void> {
  const remembered = rememberedEnrollment();
  if (remembered === undefined)
    throw new AmeshError("enrollment_not_found", "This machine never asked to be enrolled.", {
      fix: "Ask: `amesh enroll request --account @NAME --app NAME --scope SCOPES`.",
    });
  const { id, status, comparisonCode } = remembered;
  if (status === "pending") tellRequest(call, { id, status, comparisonCode, resumed: true });
  await wait(call);
}

interface Standing {
  readonly dir?: string;
  readonly id: string;
  readonly status: string;
  readonly comparisonCode?: string | undefined;
  readonly resumed: boolean;
}

function tellRequest({ terminal }: Call, standing: Standing): void {
  const { id, comparisonCode = "" } = standing;
  const code = terminal.paint("bold", formatCode(comparisonCode));
  terminal.report(
    { schema: 1, event: "requested", ...standing },
    `
  Comparison code: ${code}

  Whoever approves ${id} must see the same code. If it differs, have it denied.
`,
  );
}

async function wait(call: Call): Promise<void> {
  const { terminal } = call;
  const signal = interruption();
  const options = { ...enrollOptions(call), signal };
  const outcome = await terminal
    .during("Waiting until it is decided; Ctrl-C leaves the request standing", waitForEnrollment(options))
    .catch((cause: unknown) => {
      throw signal.aborted ? interrupted(cause) : cause;
    });
  const refusal = refusals[outcome.status];
  if (refusal !== undefined) throw new AmeshError(refusal, describeRefusal(outcome));
  const { id, scopes = {}, expiresAt } = outcome;
  const end = expiresAt === undefined ? "without end" : `until ${isoTime(expiresAt)}`;
  terminal.report(
    { schema: 1, event: "decided", ...outcome },
    terminal.paint("green", done(`${id} approved: ${formatScopes(scopes)}, ${end}.`)),
  );
  terminal.next("amesh login");
}

const refusals: Readonly<Partial<Record<EnrollmentOutcome["status"], ErrorCode>>> = {
  denied: "enrollment_denied",
  expired: "enrollment_expired",
  revoked: "enrollment_revoked",
};

const describeRefusal = ({ id, status, reason }: EnrollmentOutcome): string =>
  `${id} is ${status}${reason === undefined ? "" : `: ${visible(JSON.stringify(reason))}`}.`;

const interrupted = (cause: unknown): AmeshError =>
  new AmeshError(
    "enrollment_pending",
    "The wait was interrupted. The request stands, and nobody has decided yet.",
    {
      fix: "`amesh enroll request --resume` goes on waiting; `amesh enroll request --cancel` withdraws it.",
      cause,
    },
  );

async function cancel(call: Call): Promise<void> {
  const { terminal } = call;
  await terminal.during("Waiting for the authority", cancelEnrollment(enrollOptions(call)));
  terminal.answer({ cancelled: true }, () => done("The request is withdrawn."));
  terminal.next("amesh enroll request --account @NAME --app NAME --scope SCOPES");
}
