import {
  AmeshError,
  type CatalogueEntry,
  catalogue,
  failure,
  lookUp,
  mostSimilar,
  quoteForeign,
} from "@authmesh/core";
import { fields } from "../layout.js";
import type { Terminal } from "../terminal/terminal.js";
import type { Verb } from "../verb.js";

const codes = Object.keys(catalogue);

export const verb: Verb = {
  manual: {
    description: [
      "Says what an error code means: what happened, what a caller over HTTP sees of it, and what mends it. Without a code it lists all of them.",
    ],
    arguments: [{ name: "CODE", about: "as in an error message, a log or a metric", optional: true }],
    examples: [
      ["amesh explain clock_skew", "one code"],
      ["amesh explain", "all codes"],
    ],
    exit: [
      ["0", "explained"],
      ["2", "there is no such code"],
    ],
  },

  async run({ args: [code], terminal }) {
    if (code === undefined) explainAll(terminal);
    else explainOne(code, terminal);
    return undefined;
  },
};

function explainOne(text: string, terminal: Terminal): void {
  const entry = lookUp(text);
  if (entry === undefined) throw unknownCode(text);
  const document = describe(entry.code);
  terminal.answer(document, () =>
    [
      `${entry.code}: ${entry.summary}`,
      fields([
        ["What mends it", entry.fix],
        ["HTTP status", entry.status === 0 ? "none, it never reaches HTTP" : String(entry.status)],
        ["A caller sees", entry.status === 0 ? "nothing" : JSON.stringify({ error: document.public })],
        ["Exit status", String(entry.exit)],
      ]),
    ].join("\n\n"),
  );
}

function explainAll(terminal: Terminal): void {
  const width = Math.max(...codes.map((code) => code.length));
  terminal.answer({ codes: (codes as (keyof typeof catalogue)[]).map(describe) }, () =>
    Object.entries(catalogue)
      .map(([code, { summary }]) => `${code.padEnd(width)}  ${summary}`)
      .join("\n"),
  );
  terminal.next("amesh explain CODE, for what mends it");
}

function describe(code: keyof typeof catalogue) {
  const { status, exit, summary, fix }: CatalogueEntry = catalogue[code];
  return { code, status, public: failure(code).public, exit, summary, fix };
}

function unknownCode(text: string): AmeshError {
  const meant = mostSimilar(text, codes);
  const fix = meant === undefined ? undefined : `Did you mean \`amesh explain ${meant}\`?`;
  return new AmeshError(
    "code_unknown",
    `There is no code ${quoteForeign(text)}.`,
    fix === undefined ? {} : { fix },
  );
}
