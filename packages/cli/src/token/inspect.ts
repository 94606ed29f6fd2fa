import { isJsonObject, isoTime, type JsonObject, parseStrictJson, splitCompactJws } from "@authmesh/core";
import { claimProblems, longestLife, readToken } from "@authmesh/oath";
import { formatSpan } from "../time.js";

/** A token as it reads, whoever made it. */
export interface InspectedToken {
  /** As far as they are JSON that reads in one way. */
  readonly header?: JsonObject;
  readonly payload?: JsonObject;
  /** What is wrong with it at this time, whatever its signature is worth. Sentences. */
  readonly problems: readonly string[];
}

/**
 * Reads a token without verifying anything. Never throws.
 *
 * @param now Unix seconds
 */
export function inspectToken(token: string, now: number): InspectedToken {
  const { header: rightHeader, payload, problem } = readToken(token);
  const header = headerOf(token);
  const claimsRead = rightHeader !== undefined && payload !== undefined;
  return {
    ...(header === undefined ? {} : { header }),
    ...(payload === undefined ? {} : { payload }),
    problems: [
      ...(claimsRead || problem === undefined ? [] : [problem]),
      ...(payload === undefined ? [] : claimProblems(payload).map(({ detail }) => detail)),
      ...(payload === undefined ? [] : timeProblems(payload, now)),
    ],
  };
}

/** Also one that is of no token of ours: what it is shows what went wrong. */
function headerOf(token: string): JsonObject | undefined {
  const parts = splitCompactJws(token, token.length);
  const { value } = typeof parts === "string" ? { value: undefined } : parseStrictJson(parts.header);
  return isJsonObject(value) ? value : undefined;
}

function timeProblems({ iat, nbf, exp }: JsonObject, now: number): readonly string[] {
  const problems: string[] = [];
  if (isTime(exp) && exp <= now) problems.push(`It ${timeInWords("exp", exp, now)}.`);
  for (const start of [iat, nbf])
    if (isTime(start) && start > now) problems.push(`It ${timeInWords("nbf", start, now)}.`);
  if (isTime(iat) && isTime(exp) && (exp <= iat || exp - iat > longestLife))
    problems.push(`It lives ${exp - iat} s; 1 to ${longestLife} are allowed.`);
  return problems;
}

const isTime = (value: unknown): value is number => Number.isSafeInteger(value);

/** Before its time and after. */
const verbsOfTimes = {
  iat: ["begins", "made"],
  nbf: ["begins", "began"],
  exp: ["expires", "expired"],
} as const;

/** "expires in 43 s", "expired 2 min ago". Times are Unix seconds. */
export function timeInWords(claim: keyof typeof verbsOfTimes, seconds: number, now: number): string {
  const [future, past] = verbsOfTimes[claim];
  return seconds > now
    ? `${future} in ${formatSpan(seconds - now)}`
    : `${past} ${formatSpan(now - seconds)} ago`;
}

const remarks: Readonly<Record<string, string>> = {
  rqh: "good for one request alone",
  cnf: "the key that must sign the request",
};

/** What people want to know of a claim beside its value. */
export function remarkOn(claim: string, value: unknown, now: number): string | undefined {
  if (!Object.hasOwn(verbsOfTimes, claim) || !isTime(value))
    return Object.hasOwn(remarks, claim) ? remarks[claim] : undefined;
  return `${isoTime(value)}, ${timeInWords(claim as keyof typeof verbsOfTimes, value, now)}`;
}
