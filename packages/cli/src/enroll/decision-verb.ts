import { type DecisionOptions, type EnrollmentInfo, showEnrollment } from "@authmesh/sdk/enroll";
import { authorityUrlEnvironment } from "../authority/authority-url.js";
import type { Call } from "../call.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { done } from "../layout.js";
import type { OptionManual, Row } from "../manual.js";
import type { Verb } from "../verb.js";
import { describeCascade } from "./cascade.js";
import { describeWhole, formatEnrollment } from "./describe.js";
import { enrolledExit } from "./exit.js";
import { enrollOptions, rememberedAuthorityOption } from "./remembered-authority.js";

/** One of the decisions on an enrollment (docs/protocol.md, section 10.7), as a verb. */
export interface Decision {
  readonly description: readonly string[];
  readonly options?: readonly OptionManual[];
  readonly examples: readonly Row[];
  /** "Approve": what is asked. */
  readonly act: string;
  /** "approved": what it is afterwards. */
  readonly acted: string;
  /** Reads the options, before anything is asked for. @throws AmeshError `invalid_option`, `invalid_scope` */
  read(call: Call): (options: DecisionOptions) => Promise<readonly EnrollmentInfo[]>;
  /**
   * Reads an option that stands for the yes of a person: what the enrollment is held against, as `read`.
   *
   * @returns undefined where it was not given
   */
  readonly check?: (call: Call) => ((before: EnrollmentInfo) => void) | undefined;
  /** The command that comes after it. */
  next(id: string, call: Call): string;
}

/** A verb that shows what it is about to do, asks, and does it. */
export const decisionVerb = (decision: Decision): Verb => ({
  manual: {
    description: [
      ...decision.description,
      "Shows the enrollment and what becomes of it, and asks. --dry-run shows what would change, and changes nothing.",
    ],
    arguments: [{ name: "ID", about: "of the enrollment: `amesh enroll list` shows it" }],
    options: [
      ...(decision.options ?? []),
      { flags: "--dry-run", about: "show what would change, and change nothing" },
      { flags: "--yes", about: "do not ask" },
      rememberedAuthorityOption,
    ],
    environment: [authorityUrlEnvironment, ...keyStoreEnvironment],
    examples: decision.examples,
    exit: [
      ["0", `${decision.acted}; with --dry-run: it could be`],
      ["1", "there is no such enrollment, its state does not allow it, or the answer was no"],
      ...enrolledExit,
    ],
  },

  async run(call) {
    const { terminal } = call;
    const perform = decision.read(call);
    const check = decision.check?.(call);
    const options = { ...enrollOptions(call), id: call.args[0] ?? "" };
    const before = await showEnrollment(options);
    check?.(before);
    const told = `${formatEnrollment(before)} ${decision.acted}`;
    const preview = async () => {
      const enrollments = await perform({ ...options, dryRun: true });
      // One that is deleted is not there afterwards.
      return { enrollments, text: enrollments.length === 0 ? `  ${told}` : describeCascade(enrollments) };
    };
    if (call.flag("dry-run")) {
      const { enrollments, text } = await preview();
      terminal.answer({ dryRun: true, enrollments }, () => text);
      return undefined;
    }
    if (!call.flag("yes") && check === undefined) {
      const { text } = await preview();
      terminal.note(`${describeWhole(before)}\n\nWhat becomes of it:\n${text}\n`);
      const fix = `Give --yes to have it ${decision.acted} without being asked.`;
      await terminal.questions.require(`${decision.act} it?`, fix);
    }
    const enrollments = await perform(options);
    terminal.answer({ id: before.id, decision: decision.acted, enrollments }, () =>
      [done(`${told}.`), ...(enrollments.length > 1 ? [describeCascade(enrollments)] : [])].join("\n"),
    );
    terminal.next(decision.next(before.id, call));
    return undefined;
  },
});
