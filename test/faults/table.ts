/** What came of a fault, in numbers. */
export interface Row {
  readonly fault: string;
  readonly seconds: number;
  readonly requests: number;
  readonly accepted: number;
  readonly refused: number;
  /** Requests without an answer. */
  readonly unreachable: number;
  /** Milliseconds from the end of the fault until answers were as before. */
  readonly recoveredMs: number;
  readonly violations: readonly unknown[];
}

const columns: readonly (readonly [title: string, of: (row: Row) => string | number])[] = [
  ["fault", ({ fault }) => fault],
  ["seconds", ({ seconds }) => seconds],
  ["requests", ({ requests }) => requests],
  ["accepted", ({ accepted }) => accepted],
  ["refused", ({ refused }) => refused],
  ["unreachable", ({ unreachable }) => unreachable],
  ["recovered, ms", ({ recoveredMs }) => recoveredMs],
  ["violations", ({ violations }) => violations.length],
];

/** A table in Markdown: it reads well in a terminal, too. */
export function tableOf(rows: readonly Row[]): string {
  const cells = [
    columns.map(([title]) => title),
    ...rows.map((row) => columns.map(([, of]) => String(of(row)))),
  ];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0)));
  const lineOf = (line: readonly string[]) =>
    `| ${line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(" | ")} |`;
  const rule = `|${widths.map((width, i) => (i === 0 ? "-".repeat(width + 2) : `${"-".repeat(width + 1)}:`)).join("|")}|`;
  const [head = [], ...body] = cells;
  return [lineOf(head), rule, ...body.map(lineOf)].join("\n");
}
