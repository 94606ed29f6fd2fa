/** Prints rows in columns. @param {Record<string, string>[]} rows with the same keys in the same order */
export function printTable(rows) {
  const columns = Object.keys(rows[0] ?? {});
  const widths = columns.map((column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows)
    console.log(
      columns
        .map((column, i) => row[column].padEnd(widths[i]))
        .join("  ")
        .trimEnd(),
    );
}
