/**
 * Writes docs/reference/gateway.md, every member of a gateway's configuration, from its schema. With --check it writes
 * nothing and fails when the file is not what it would write. Needs a build.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gatewaySchema } from "../packages/gateway/dist/index.js";
import { root } from "./run.js";

const path = join(root, "docs/reference/gateway.md");

/** The object that a member is, or is several of. */
const objectIn = (schema) =>
  schema.properties
    ? schema
    : [...(schema.anyOf ?? []), schema.items, schema.additionalProperties]
        .filter((part) => typeof part === "object")
        .map(objectIn)
        .find(Boolean);

const suffix = (schema) => (schema.items ? "[]" : schema.additionalProperties ? ".NAME" : "");

/** A table for each object, with the members that it has. */
function tables(schema, name) {
  const { properties, required = [] } = schema;
  const rows = Object.entries(properties).map(([member, { description, default: byDefault }]) => {
    const remark = required.includes(member)
      ? " Required."
      : byDefault === undefined
        ? ""
        : ` Default \`${JSON.stringify(byDefault)}\`.`;
    return `| \`${member}\` | ${description.replaceAll("|", "\\|")}${remark} |`;
  });
  const below = Object.entries(properties).flatMap(([member, part]) => {
    const object = objectIn(part);
    const full = `${name === "" ? "" : `${name}.`}${member}${suffix(part)}`;
    return object === undefined ? [] : tables(object, full);
  });
  const title = name === "" ? "The configuration" : `\`${name}\``;
  return [`## ${title}\n\n| member | |\n|---|---|\n${rows.join("\n")}\n`, ...below];
}

const text = [
  "# The configuration of the gateway\n",
  "Every member of a configuration file, as [the guide](../guide/gateway.md) uses them. Written by `scripts/generate-gateway-reference.js` from the schema that `amesh gateway schema` prints.\n",
  ...tables(gatewaySchema, ""),
].join("\n");

if (!process.argv.includes("--check")) writeFileSync(path, text);
else if (readFileSync(path, "utf8") !== text) {
  console.error("amesh: error: docs/reference/gateway.md is not what the schema says");
  console.error("amesh: hint: node scripts/generate-gateway-reference.js");
  process.exitCode = 1;
}
