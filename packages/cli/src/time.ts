import { AmeshError, quoteForeign } from "@authmesh/core";

export const unixSeconds = (): number => Math.floor(Date.now() / 1000);

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Reads "90d", "12h", "30m", "45s" as seconds. @throws AmeshError `invalid_option` */
export function parseDuration(text: string): number {
  const [, count, unit = ""] = /^([1-9][0-9]{0,5})([smhd])$/.exec(text) ?? [];
  if (count !== undefined) return Number(count) * (units[unit] as number);
  throw new AmeshError(
    "invalid_option",
    `${quoteForeign(text)} is not a duration such as 90d, 12h, 30m or 45s.`,
  );
}

/** The largest unit of which there are at least two: "43 s", "2 min", "3 h", "5 d". */
export function formatSpan(seconds: number): string {
  const [unit, length] = spans.find(([, length]) => seconds >= 2 * length) ?? ["s", 1];
  return `${Math.floor(seconds / length)} ${unit}`;
}

const spans: readonly (readonly [unit: string, seconds: number])[] = [
  ["d", 86_400],
  ["h", 3600],
  ["min", 60],
];
