import { isJsonObject, type JsonObject, type JsonValue, mostSimilar, quoteForeign } from "@authmesh/core";

/** Where in a document: names of members and places in lists. */
export type Place = readonly (string | number)[];

/** What is wrong at one place of a document. */
export interface Problem {
  readonly at: Place;
  /** A sentence without its subject: "is not one of allow, deny." */
  readonly message: string;
  /** The name of the last member is what is wrong, not its value. */
  readonly inName?: boolean;
}

const mostProblems = 20;

type Report = (problem: Problem) => void;

/**
 * What a value of a document must be. The JSON Schema that is published and the check that is done come from the same
 * rows, so that they cannot say different things.
 */
export interface Shape {
  readonly schema: JsonObject;
  check(value: JsonValue, at: Place, report: Report): void;
}

export interface RecordShape extends Shape {
  readonly members: Readonly<Record<string, Shape>>;
}

/** What nobody sees in a text, for a class of characters in a pattern. It could make a rule say what it does not show. */
export const unseen =
  "\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\ufeff\\ud800-\\udfff";

/** @param pattern without flags; it means the same in JSON Schema */
export const text = (pattern: string, description: string): Shape => {
  const expression = new RegExp(pattern, "u");
  return {
    schema: { type: "string", pattern, description },
    check(value, at, report) {
      if (typeof value !== "string")
        report({ at, message: `is ${kindOf(value)}, not a text${quotes(value)}.` });
      else if (!expression.test(value))
        report({ at, message: `is not ${description}: ${quoteForeign(value)}.` });
    },
  };
};

export const oneOf = (...values: readonly (string | number)[]): Shape => ({
  schema: values.length === 1 ? { const: values[0] as string | number } : { enum: values },
  check(value, at, report) {
    if ((values as readonly JsonValue[]).includes(value)) return;
    const words = values.map(String);
    const meant = typeof value === "string" ? mostSimilar(value, words) : undefined;
    const found = typeof value === "string" ? quoteForeign(value) : kindOf(value);
    report({ at, message: `is ${found}, not ${words.join(" or ")}.${suggest(meant)}` });
  },
});

export const flag: Shape = {
  schema: { type: "boolean" },
  check(value, at, report) {
    if (typeof value !== "boolean") report({ at, message: `is ${kindOf(value)}, not true or false.` });
  },
};

/** @param whole refuse fractions */
export const number = (min: number, max: number, { whole = true } = {}): Shape => ({
  schema: { type: whole ? "integer" : "number", minimum: min, maximum: max },
  check(value, at, report) {
    if (typeof value !== "number") report({ at, message: `is ${kindOf(value)}, not a number.` });
    else if (value < min || value > max || (whole && !Number.isInteger(value)))
      report({
        at,
        message: `is ${value}, not ${whole ? "a whole number" : "a number"} from ${min} to ${max}.`,
      });
  },
});

export const listOf = (item: Shape, max: number, min = 0): Shape => ({
  schema: { type: "array", items: item.schema, minItems: min, maxItems: max },
  check(value, at, report) {
    if (!Array.isArray(value)) report({ at, message: `is ${kindOf(value)}, not a list.` });
    else if (value.length < min) report({ at, message: "is an empty list." });
    else if (value.length > max) report({ at, message: `has more than ${max} entries.` });
    else for (const [index, entry] of value.entries()) item.check(entry, [...at, index], report);
  },
});

/** One, or a list of one and more. */
export const oneOrMore = (item: Shape, max: number): Shape => {
  const list = listOf(item, max, 1);
  return {
    schema: { anyOf: [item.schema, list.schema] },
    check: (value, at, report) => (Array.isArray(value) ? list : item).check(value, at, report),
  };
};

/** An object of these members and no others. */
export const record = (
  members: Readonly<Record<string, Shape>>,
  { required = [], notEmpty = false }: { required?: readonly string[]; notEmpty?: boolean } = {},
): RecordShape => ({
  members,
  schema: {
    type: "object",
    properties: Object.fromEntries(Object.entries(members).map(([name, { schema }]) => [name, schema])),
    additionalProperties: false,
    ...(required.length > 0 && { required }),
    ...(notEmpty && { minProperties: 1 }),
  },
  check(value, at, report) {
    if (!isJsonObject(value)) return report({ at, message: `is ${kindOf(value)}, not an object.` });
    const names = Object.keys(value);
    if (notEmpty && names.length === 0) report({ at, message: "is an empty object." });
    const isKnown = (name: string) => Object.hasOwn(members, name);
    for (const name of names.filter(isKnown))
      (members[name] as Shape).check(value[name] as JsonValue, [...at, name], report);
    for (const name of names.filter((name) => !isKnown(name)).slice(0, mostProblems))
      report({ at: [...at, name], inName: true, message: unknownMember(name, Object.keys(members)) });
    for (const name of required)
      if (!Object.hasOwn(value, name)) report({ at, message: `lacks the member ${name}.` });
  },
});

/** Or `false`, for what can be turned off. */
export const orFalse = (shape: Shape): Shape => ({
  schema: { anyOf: [{ const: false }, shape.schema] },
  check(value, at, report) {
    if (value !== false) shape.check(value, at, report);
  },
});

/** An object whose members have names of people's choice. */
export const mapOf = (name: Shape, item: Shape, max: number): Shape => ({
  schema: {
    type: "object",
    propertyNames: name.schema,
    additionalProperties: item.schema,
    maxProperties: max,
  },
  check(value, at, report) {
    if (!isJsonObject(value)) return report({ at, message: `is ${kindOf(value)}, not an object.` });
    const entries = Object.entries(value);
    if (entries.length > max) return report({ at, message: `has more than ${max} members.` });
    for (const [key, entry] of entries) {
      name.check(key, [...at, key], (problem) => report({ ...problem, inName: true }));
      item.check(entry, [...at, key], report);
    }
  },
});

/** The same shape, with what it means and what is taken where it is left out, for editors and manuals. */
export const about = <S extends Shape>(description: string, shape: S, byDefault?: JsonValue): S => ({
  ...shape,
  schema: { ...shape.schema, description, ...(byDefault !== undefined && { default: byDefault }) },
});

/** The same shape with something more to insist on, which a JSON Schema says in its own words. */
export const also = <S extends Shape>(
  shape: S,
  schema: JsonObject,
  insist: (value: JsonValue, at: Place, report: Report) => void,
): S => ({
  ...shape,
  schema: { ...shape.schema, ...schema },
  check(value, at, report) {
    let fits = true;
    shape.check(value, at, (problem) => {
      fits = false;
      report(problem);
    });
    if (fits) insist(value, at, report);
  },
});

/** What is wrong with a value, at most twenty of it; empty for a good one. */
export function problemsOf(shape: Shape, value: JsonValue): readonly Problem[] {
  const problems: Problem[] = [];
  shape.check(value, [], (problem) => {
    if (problems.length < mostProblems) problems.push(problem);
  });
  return problems;
}

/** "rules[3].subjekt is not a member there is. Did you mean subject?" */
export const formatProblem = ({ at, message }: Problem): string => `${formatPlace(at) || "It"} ${message}`;

/** "rules[3].source.ref"; empty for the document itself. */
const formatPlace = (at: Place): string =>
  at.reduce<string>(
    (path, step) => (typeof step === "number" ? `${path}[${step}]` : path === "" ? step : `${path}.${step}`),
    "",
  );

function unknownMember(name: string, known: readonly string[]): string {
  const meant = mostSimilar(name, known);
  return `is not a member there is.${suggest(meant) || ` There are: ${known.join(", ")}.`}`;
}

const suggest = (meant: string | undefined): string => (meant === undefined ? "" : ` Did you mean ${meant}?`);

function kindOf(value: JsonValue): string {
  if (value === null) return "empty";
  if (Array.isArray(value)) return "a list";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

/** YAML reads 8080 and true as what they look like. */
const quotes = (value: JsonValue): string =>
  typeof value === "number" || typeof value === "boolean" ? "; put it in quotes" : "";
