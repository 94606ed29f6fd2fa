/** What a parser of the product is fed with, and how. Every input is a text; of bytes it has one code unit each. */

/** How an input is built, and so how a good one is changed into one that is nearly good. */
export type Form = "text" | "json" | "jws" | "bytes";

export interface Target {
  /** Its folder in the corpus too. */
  readonly name: string;
  readonly form: Form;
  /** Pieces of the language that the parser reads. */
  readonly words: readonly string[];
  /** What it throws within the product, beside errors of the catalogue: whoever calls it says what that means. */
  readonly refusals: readonly ErrorClass[];
  /** Reads an input. It throws where two things do not agree that must, such as what was read and what was written. */
  readonly run: (input: string) => unknown;
}

type ErrorClass = abstract new (...parameters: never[]) => Error;
type Details = Partial<Pick<Target, "words" | "refusals">>;

const targetOf =
  (form: Form) =>
  (name: string, run: Target["run"], { words = [], refusals = [] }: Details = {}): Target => ({
    name,
    form,
    words,
    refusals,
    run,
  });

export const text = targetOf("text");
export const json = targetOf("json");
/** Three parts of base64url, the first two of them JSON. */
export const jws = targetOf("jws");

export const bytes = (name: string, run: (input: Uint8Array) => unknown, details?: Details): Target =>
  targetOf("bytes")(name, (input) => run(bytesOf(input)), details);

export const bytesOf = (input: string): Uint8Array => Uint8Array.from(Buffer.from(input, "latin1"));
export const utf8Of = (input: string): Uint8Array => Uint8Array.from(Buffer.from(input, "utf8"));

/** Two parts of the product, or two calls, say different things of one input. */
export class Disagreement extends Error {}

/** What is written of what was read, must be read as the same. */
export function mustBeEqual(one: unknown, other: unknown, what: string): void {
  const [a, b] = [JSON.stringify(one), JSON.stringify(other)];
  if (a !== b) throw new Disagreement(`${what}: ${a} is not ${b}`);
}
