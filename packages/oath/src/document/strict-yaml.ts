import type { JsonValue } from "@authmesh/core";
import { CST, isMap, isPair, isScalar, isSeq, Lexer, LineCounter, parseDocument } from "yaml";
import type { Place } from "./shape.js";

/** Where something stands in a text. Both count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

export interface YamlProblem {
  readonly problem: string;
  readonly position?: Position;
  readonly value?: undefined;
  readonly find?: undefined;
}

export interface YamlDocument {
  readonly value: JsonValue;
  readonly problem?: undefined;
  /** Where a value stands, or with `inName` the name of a member. */
  find(at: Place, inName?: boolean): Position | undefined;
}

const maxDepth = 16;

/** Kinds of tokens that stand for something else than they show, and what a person calls them. */
const refused: Readonly<Record<string, string>> = {
  alias: "it has an alias (*)",
  anchor: "it has an anchor (&)",
  tag: "it has a tag (!)",
  directive: "it has a directive (%)",
  "directive-line": "it has a directive (%)",
  "explicit-key-ind": "it has a key that is not plain text (?)",
  "byte-order-mark": "it begins with a byte order mark",
};

/**
 * Reads the part of YAML 1.2 that says what JSON says: one document, text as names of members, nothing named twice,
 * no anchors, aliases, tags, directives and merge keys. Whatever the text, it is a value or a problem.
 */
export function parseStrictYaml(text: string): YamlDocument | YamlProblem {
  const lines = new LineCounter();
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  // The parser's own time and depth grow out of bounds with some of what is refused, so it is looked for first.
  const token = findRefusedToken(text);
  if (token !== undefined) return { problem: token.problem, position: positionIn(text, token.offset) };
  const document = parseDocument(text, {
    version: "1.2",
    schema: "core",
    merge: false,
    stringKeys: true,
    uniqueKeys: false, // takes a time that grows with the square; `toPlain` looks
    prettyErrors: false,
    logLevel: "error",
    lineCounter: lines,
  });
  const [error] = [...document.errors, ...document.warnings];
  if (error !== undefined) {
    const problem =
      error.code === "MULTIPLE_DOCS"
        ? "it has more than one document (---)"
        : `it is not YAML: ${error.message}`;
    return { problem, position: positionAt(error.pos[0]) };
  }
  try {
    const value = toPlain(document.contents);
    return { value, find: (at, inName) => findPosition(document.contents, at, inName, positionAt) };
  } catch (misfit) {
    if (!(misfit instanceof Misfit)) throw misfit;
    return { problem: misfit.message, position: positionAt(misfit.offset) };
  }
}

/** Never leaves this file. */
class Misfit extends Error {
  readonly offset: number;

  constructor(problem: string, node: unknown) {
    super(problem);
    this.offset = offsetOf(node) ?? 0;
  }
}

function findRefusedToken(text: string): { problem: string; offset: number } | undefined {
  let offset = 0;
  let flow = 0;
  let onLine = 0;
  let isContent = false;
  for (const token of new Lexer().lex(text)) {
    // What comes after this mark is a scalar, whatever it begins with.
    const type = isContent ? "scalar" : CST.tokenType(token);
    isContent = token === CST.SCALAR;
    if (type === "newline") onLine = 0;
    if (type === "flow-map-start" || type === "flow-seq-start") flow++;
    if (type === "flow-map-end" || type === "flow-seq-end") flow--;
    if (type === "seq-item-ind") onLine++;
    if (flow > maxDepth || onLine > maxDepth)
      return { problem: `it is nested deeper than ${maxDepth}`, offset };
    if (type !== null && Object.hasOwn(refused, type)) return { problem: refused[type] as string, offset };
    if (!zeroWidth.has(token)) offset += token.length;
  }
  return undefined;
}

const zeroWidth: ReadonlySet<string> = new Set([CST.DOCUMENT, CST.FLOW_END, CST.SCALAR]);

export function positionIn(text: string, offset: number): Position {
  const before = text.slice(0, offset);
  return { line: before.split("\n").length, column: offset - before.lastIndexOf("\n") };
}

function toPlain(node: unknown, depth = 0): JsonValue {
  if (depth > maxDepth) throw new Misfit(`it is nested deeper than ${maxDepth}`, node);
  if (node === null) return null;
  if (isSeq(node)) return node.items.map((item) => toPlain(item, depth + 1));
  if (isMap(node)) {
    const entries = node.items.map(({ key, value }): [string, JsonValue] => [
      nameOf(key),
      toPlain(value, depth + 1),
    ]);
    const seen = new Set<string>();
    for (const { key } of node.items) {
      if (seen.has(nameOf(key))) throw new Misfit("it names a member twice", key);
      seen.add(nameOf(key));
    }
    return Object.fromEntries(entries);
  }
  const value = isScalar(node) ? node.value : undefined;
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new Misfit("it holds a value that JSON has not", node);
}

function nameOf(key: unknown): string {
  if (isScalar(key) && typeof key.value === "string") return key.value;
  throw new Misfit("it has a key that is not plain text", key);
}

function findPosition(
  root: unknown,
  at: Place,
  inName: boolean | undefined,
  positionAt: (offset: number) => Position,
): Position | undefined {
  let node = root;
  let found = root;
  for (const [depth, step] of at.entries()) {
    if (isSeq(node)) node = node.items[Number(step)];
    else if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (!isPair(pair)) break;
      node = inName && depth === at.length - 1 ? pair.key : (pair.value ?? pair.key);
    } else break;
    found = node ?? found;
  }
  const offset = offsetOf(found);
  return offset === undefined ? undefined : positionAt(offset);
}

const offsetOf = (node: unknown): number | undefined =>
  (node as { range?: readonly number[] | null } | null | undefined)?.range?.[0];
