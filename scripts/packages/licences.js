/** The licences under which what is installed with the packages may be. */
const allowed = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Unlicense",
]);

/**
 * @param {Iterable<{ name: string, version: string, license?: string }>} installed
 * @returns {{ table: Map<string, string[]>, problems: string[] }} `name@version` by licence
 */
export function licencesOf(installed) {
  /** @type {Map<string, string[]>} */
  const table = new Map();
  for (const { name, version, license = "none" } of installed) {
    const row = table.get(license) ?? [];
    if (!row.includes(`${name}@${version}`)) row.push(`${name}@${version}`);
    table.set(license, row);
  }
  const refused = [...table].filter(([licence]) => !allowed.has(licence));
  return { table, problems: refused.map(([licence, names]) => `${licence}: ${names.join(" ")}`) };
}
