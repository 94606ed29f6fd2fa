/**
 * Insists that every option is one there is: a misspelt one would silently leave its default.
 *
 * @throws TypeError that names the first unknown one
 */
export function refuseUnknownOptions<T extends object>(
  options: T,
  known: Readonly<Record<keyof T, true>>,
): void {
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name));
  if (unknown === undefined) return;
  throw new TypeError(`${unknown} is not an option; there are: ${Object.keys(known).join(", ")}.`);
}
