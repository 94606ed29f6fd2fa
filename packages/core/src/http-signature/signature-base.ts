import { type Parameters, serializeItem, serializeParameters } from "structured-headers";
import { quoteForeign } from "../errors.js";
import { unreadable } from "./structured-field.js";

/** A message as a signature sees it. What a message does not have, a signature over it cannot cover. */
export interface HttpMessage {
  /** As sent: methods are case-sensitive. */
  readonly method?: string | undefined;
  /** The raw request target in origin form. */
  readonly target?: string | undefined;
  /** As `normalizeHost` writes it. */
  readonly authority?: string | undefined;
  /** Of a response. */
  readonly status?: number | undefined;
  /** Every line of a field, in order; `name` is lower case. */
  headers(name: string): readonly string[];
}

/** One covered component: a field, or what is derived from the message (RFC 9421, 2.1 and 2.2). */
export interface Component {
  readonly name: string;
  /** Its name and parameters as they stand in the signature base: `"content-type"`, `"@query-param";name="a"`. */
  readonly identifier: string;
  /** The parameter `name` of `@query-param`. */
  readonly queryParameter?: string;
}

/** What one signature covers and says of itself. */
export interface SignatureInput {
  readonly components: readonly Component[];
  readonly parameters: Parameters;
}

type Derive = (message: HttpMessage, component: Component) => string | undefined;

/** RFC 9421, 2.2, as far as a server that may stand behind a proxy can know it: not the scheme. */
const derived: Readonly<Record<string, Derive>> = {
  "@method": ({ method }) => method,
  "@authority": ({ authority }) => authority,
  "@request-target": ({ target }) => target,
  "@path": ({ target }) => target?.split("?", 1)[0],
  "@query": ({ target }) => (target === undefined ? undefined : queryOf(target)),
  "@query-param": ({ target }, { queryParameter }) =>
    target === undefined || queryParameter === undefined ? undefined : parameterOf(target, queryParameter),
  "@status": ({ status }) => status?.toString(),
};

const fieldName = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
const printable = /^[\t\x20-\x7e]*$/;

/**
 * Reads a component. Parameters that change how a field's value is written (`sf`, `key`, `bs`, `req`, `tr`) are not
 * known here, so that one field has one value.
 *
 * @throws AmeshError `malformed_header`
 */
export function readComponent(name: unknown, parameters: Parameters = new Map()): Component {
  if (typeof name !== "string" || !(Object.hasOwn(derived, name) || fieldName.test(name)))
    throw unreadable(`${quoteForeign(String(name))} is not a component that can be covered`);
  const identifier = serializeItem([name, parameters]);
  if (name !== "@query-param") {
    if (parameters.size > 0) throw unreadable(`${quoteForeign(identifier)} has parameters`);
    return { name, identifier };
  }
  const queryParameter = parameters.get("name");
  if (typeof queryParameter !== "string" || parameters.size > 1)
    throw unreadable("@query-param has not exactly the parameter name");
  return { name, identifier, queryParameter };
}

/**
 * The text that a signature is over (RFC 9421, 2.5).
 *
 * @throws AmeshError `malformed_header` for a component that the message does not have, or whose value is not ASCII
 */
export function signatureBase(message: HttpMessage, input: SignatureInput): string {
  let base = "";
  for (const component of input.components)
    base += `${component.identifier}: ${componentValue(component, message)}\n`;
  return `${base}"@signature-params": ${signatureParameters(input)}`;
}

/** What stands in Signature-Input behind the label (RFC 9421, 2.3). */
export function signatureParameters({ components, parameters }: SignatureInput): string {
  return `(${components.map(({ identifier }) => identifier).join(" ")})${serializeParameters(parameters)}`;
}

function componentValue(component: Component, message: HttpMessage): string {
  const derive = Object.hasOwn(derived, component.name) ? derived[component.name] : undefined;
  const value = derive === undefined ? fieldOf(message, component.name) : derive(message, component);
  if (value === undefined) throw unreadable(`the message has no ${quoteForeign(component.identifier)}`);
  // A line break in a value would be a component that nobody covered.
  if (!printable.test(value)) throw unreadable(`${quoteForeign(component.identifier)} is not plain ASCII`);
  return value;
}

function fieldOf(message: HttpMessage, name: string): string | undefined {
  const lines = message.headers(name);
  return lines.length === 0 ? undefined : lines.map(trimmed).join(", ");
}

/** Of white space as HTTP knows it. */
const trimmed = (line: string): string => line.replace(/^[ \t]+|[ \t]+$/g, "");

/** With its mark; a lone mark where there is no query (RFC 9421, 2.2.7). */
function queryOf(target: string): string {
  const mark = target.indexOf("?");
  return mark < 0 ? "?" : target.slice(mark);
}

/** The value of the only parameter of this name, both in percent-encoding (RFC 9421, 2.2.8). */
function parameterOf(target: string, wanted: string): string | undefined {
  const found = [...new URLSearchParams(queryOf(target))].filter(([name]) => encode(name) === wanted);
  return found.length === 1 ? encode(found[0]?.[1] as string) : undefined;
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()~]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
