import type { VerbGroup } from "./find-verb.js";
import { keyStoreEnvironment } from "./key-store-environment.js";
import type { VerbRow } from "./verbs.js";

/** What `amesh VERB --help` says, as data: the command line is read by it, and docs/reference/cli.md made of it. */
export interface Manual {
  /** Paragraphs. */
  readonly description: readonly string[];
  readonly arguments?: readonly ArgumentManual[];
  readonly options?: readonly OptionManual[];
  /** Variables beside those that every verb reads. */
  readonly environment?: readonly Row[];
  /** Command and remark. */
  readonly examples: readonly Row[];
  /** Exit status and when. */
  readonly exit: readonly Row[];
}

export type Row = readonly [term: string, meaning: string];

export interface ArgumentManual {
  /** As people read it: "CODE", "ID|NAME". */
  readonly name: string;
  readonly about: string;
  readonly optional?: boolean;
}

export interface OptionManual {
  /** "--yes", "--relay URL" */
  readonly flags: string;
  readonly about: string;
  readonly repeatable?: boolean;
}

/** Options of every verb. */
export const commonOptions: readonly OptionManual[] = [
  { flags: "--json", about: 'answer in JSON; documents carry "schema": 1' },
  { flags: "--no-input", about: "never ask; what would be asked is an error (AMESH_NO_INPUT)" },
];

const commonEnvironment: readonly Row[] = [
  ["AUTH_MESH_DIR", "folder of the identity (default ~/.amesh)"],
  ["AMESH_DEVICE_ID", "the only identity to open (default: any that the folder holds)"],
  ["NO_COLOR", "no colours"],
];

const width = 80;

export function formatManual({ name, summary }: Pick<VerbRow, "name" | "summary">, manual: Manual): string {
  const parameters = (manual.arguments ?? []).map(({ name, optional }) => (optional ? `[${name}]` : name));
  const rows: Readonly<Record<string, readonly Row[]>> = {
    Arguments: (manual.arguments ?? []).map(({ name, about }) => [name, about]),
    Options: [
      ...[...(manual.options ?? []), ...commonOptions].map(describeOption),
      ["-h, --help", "print this text"],
    ],
    Environment: [...(manual.environment ?? []), ...commonEnvironment],
    "Exit status": manual.exit,
  };
  return [
    `amesh ${name}: ${summary}\n`,
    `Usage:\n  ${["amesh", name, ...parameters, "[options]"].join(" ")}\n`,
    ...manual.description.map((paragraph) => `${wrap(paragraph, width).join("\n")}\n`),
    ...Object.entries(rows).map(([title, rows]) => section(title, rows)),
    `Examples:\n${manual.examples.map(formatExample).join("\n")}`,
  ]
    .filter((part) => part !== "")
    .join("\n");
}

/** What `amesh GROUP --help` says of the verbs whose first word that is. */
export function formatGroup({ name, verbs }: VerbGroup): string {
  return [
    `Usage:\n  amesh ${name} COMMAND [arguments] [options]\n`,
    section(
      "Commands",
      verbs.map(({ name, summary }) => [name, summary]),
    ),
    section("Options", [["-h, --help", "print this text; after a command, its manual"]]),
  ].join("\n");
}

export function formatOverview(verbs: readonly VerbRow[]): string {
  return [
    "amesh: machines prove who they are without static secrets\n",
    "Usage:\n  amesh COMMAND [arguments] [options]\n",
    section(
      "Commands",
      verbs.map(({ name, summary }) => [name, summary]),
    ),
    section("Options", [
      ["-h, --help", "print this text; after a command, its manual"],
      ["-v, --version", "print the version"],
    ]),
    section("Environment", [
      ...commonEnvironment,
      ["AMESH_AUDIENCE", "the hosts this machine answers to, separated by commas"],
      ["AMESH_RELAY_URL", "relay to meet at (default wss://relay.authmesh.dev/ws)"],
      [
        "AMESH_BOOTSTRAP_TOKEN",
        "what lets a first controller in: `amesh bootstrap`, and servers by themselves",
      ],
      ["AMESH_MAX_CONTROLLERS", "how many controllers a machine accepts that such a token makes"],
      ...keyStoreEnvironment,
      ["AMESH_NO_INPUT", "as --no-input"],
      ["AMESH_DEBUG", "1 shows where in amesh a failure comes from"],
    ]),
    section("Exit status", [
      ["0", "done"],
      ["1", "error"],
      ["2", "usage"],
      ["3", "denied"],
      ["4", "not set up, or expired"],
      ["5", "unreachable"],
    ]),
    'Begin with: amesh init --name "NAME"\n',
  ].join("\n");
}

function section(title: string, rows: readonly Row[]): string {
  if (rows.length === 0) return "";
  const indent = Math.max(...rows.map(([term]) => term.length)) + 4;
  const lines = rows.flatMap(([term, meaning]) =>
    wrap(meaning, width - indent).map((line, i) => `${(i === 0 ? `  ${term}` : "").padEnd(indent)}${line}`),
  );
  return `${title}:\n${lines.join("\n")}\n`;
}

function describeOption({ flags, about, repeatable }: OptionManual): Row {
  return [flags, repeatable ? `${about}; may be repeated` : about];
}

const formatExample = ([command, remark]: Row) => `  # ${remark}\n  ${command}\n`;

function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
