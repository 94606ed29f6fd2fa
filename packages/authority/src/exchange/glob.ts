/**
 * A pattern for text: `*` is any characters but the separator, `**` any characters, everything else itself.
 *
 * The time a match takes grows with the product of both lengths at most, whatever the pattern and the text.
 */
export interface Glob {
  /** What every text that matches begins with. */
  readonly prefix: string;
  /** Whether `prefix` is all there is. */
  readonly exact: boolean;
  matches(text: string): boolean;
}

/** Characters, and the two wildcards in their places. */
type Token = number | typeof within | typeof across;
const within = -1;
const across = -2;

/** @param separator one character, which `*` stops at */
export function compileGlob(pattern: string, separator: string): Glob {
  const star = pattern.indexOf("*");
  if (star === -1) return { prefix: pattern, exact: true, matches: (text) => text === pattern };
  const prefix = pattern.slice(0, star);
  const rest = pattern.slice(star);
  if (rest === "**") return { prefix, exact: false, matches: (text) => text.startsWith(prefix) };
  if (rest === "*") {
    const matches = (text: string) => text.startsWith(prefix) && !text.includes(separator, prefix.length);
    return { prefix, exact: false, matches };
  }
  const tokens = tokensOf(rest);
  const stop = separator.charCodeAt(0);
  return {
    prefix,
    exact: false,
    matches: (text) => text.startsWith(prefix) && walk(tokens, text, prefix.length, stop),
  };
}

const tokensOf = (pattern: string): readonly Token[] =>
  [...pattern.matchAll(/\*\*|\*|[^*]/gs)].map(([part]) =>
    part === "**" ? across : part === "*" ? within : part.charCodeAt(0),
  );

/** Follows every way to read the text at once: `states` are the tokens that may come next, each named once. */
function walk(tokens: readonly Token[], text: string, start: number, stop: number): boolean {
  const seenAt = new Int32Array(tokens.length + 1).fill(-1);
  let states: number[] = [];
  let next: number[] = [];
  const enter = (list: number[], state: number, position: number): void => {
    // A wildcard may also stand for nothing.
    for (let at = state; seenAt[at] !== position; at++) {
      seenAt[at] = position;
      list.push(at);
      const token = tokens[at];
      if (token !== within && token !== across) return;
    }
  };
  enter(states, 0, start);
  for (let position = start; position < text.length && states.length > 0; position++) {
    const unit = text.charCodeAt(position);
    for (const state of states) {
      const token = tokens[state];
      if (token === across || (token === within && unit !== stop)) enter(next, state, position + 1);
      else if (token === unit) enter(next, state + 1, position + 1);
    }
    [states, next] = [next, states];
    next.length = 0;
  }
  return states.includes(tokens.length);
}
