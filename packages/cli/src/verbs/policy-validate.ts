import { AmeshError } from "@authmesh/core";
import { checkPolicy, type FileProblem, formatTextProblem, type LoadedPolicy } from "@authmesh/oath/node";
import { formatFinding } from "../finding.js";
import type { Terminal } from "../terminal/terminal.js";
import type { Verb } from "../verb.js";

/** What is there to say of one file or folder. */
interface Examined {
  readonly file: string;
  readonly policy?: LoadedPolicy;
  readonly problems: readonly FileProblem[];
}

export const verb: Verb = {
  manual: {
    description: [
      "Reads policies as a server would, and names everything that is wrong with them, with line and column. A folder is one policy: its .json, .yaml, .yml and .pkl files in the order of their names.",
    ],
    arguments: [{ name: "FILE...", about: "policies: files or folders" }],
    examples: [
      ["amesh policy validate policy.yaml", "one file"],
      ["amesh policy validate --json policies/", "a folder, for a program"],
    ],
    exit: [
      ["0", "all of them can be used"],
      ["1", "one of them cannot"],
      ["2", "no file was named"],
    ],
  },

  async run({ args, terminal }) {
    const examined: Examined[] = [];
    for (const file of args) examined.push(await examine(file));
    const isValid = examined.every(({ policy }) => policy !== undefined);
    terminal.answer({ valid: isValid, policies: examined.map(documentOf) }, () =>
      examined.map((each) => describe(terminal, each)).join("\n"),
    );
    if (isValid) terminal.next("amesh policy test FILE --cases CASES, to see that it says what you mean");
    return isValid ? 0 : 1;
  },
};

async function examine(file: string): Promise<Examined> {
  try {
    return { file, ...(await checkPolicy(file)) };
  } catch (error) {
    if (!(error instanceof AmeshError)) throw error;
    return { file, problems: [{ file, message: error.message }] };
  }
}

function documentOf({ file, policy, problems }: Examined) {
  if (policy !== undefined) {
    const { document, engine, files } = policy;
    return { file, valid: true, files, rules: document.rules.length, digest: engine.digest };
  }
  return {
    file,
    valid: false,
    problems: problems.map(({ file, message, position }) => ({ file, message, ...position })),
  };
}

function describe(terminal: Terminal, { file, policy, problems }: Examined): string {
  if (policy === undefined)
    return formatFinding(terminal, {
      verdict: "FAIL",
      detail: file,
      rows: problems.map((problem) => formatTextProblem(problem.file, problem)),
    });
  const { length } = policy.document.rules;
  return formatFinding(terminal, {
    verdict: "OK",
    detail: `${file}: ${length} ${length === 1 ? "rule" : "rules"}, ${policy.engine.digest}`,
  });
}
