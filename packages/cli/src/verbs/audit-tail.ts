import { isJsonObject, type JsonObject, type JsonValue, parseStrictJson } from "@authmesh/core";
import { readAuditLog } from "@authmesh/oath/node";
import type { Call } from "../call.js";
import { visible } from "../terminal/visible.js";
import type { Verb } from "../verb.js";

const prefix = "dev.authmesh.";
const mostLines = 100_000;

export const verb: Verb = {
  manual: {
    description: [
      "Shows the last events of an audit log, one line each: when, what, who, and for requests what was asked and why it was refused. Whoever proved nothing is marked with a question mark: that is only who it says it is.",
      "Nothing is checked here; `amesh audit verify` does that.",
    ],
    arguments: [{ name: "FILE", about: "the log" }],
    options: [
      {
        flags: "-f, --follow",
        about: "go on with what is written, in the file that takes the place of a full one too",
      },
      { flags: "-n, --lines N", about: "how many of the last events (default 20)" },
      {
        flags: "--type TYPE",
        about: "only events of this type, or of those that begin so: request.refused, token",
        repeatable: true,
      },
      { flags: "--subject ID", about: "only events about this device, or this subject of tokens" },
      { flags: "--code CODE", about: "only what was refused for this reason" },
    ],
    examples: [
      ["amesh audit tail audit.jsonl -f", "as it happens"],
      ["amesh audit tail audit.jsonl --type request.refused -n 100", "the last refusals"],
      [
        "amesh audit tail audit.jsonl --json --subject am_cOixWcOdI8-pLh4P",
        "a device's, as they stand in the log",
      ],
    ],
    exit: [
      ["0", "shown"],
      ["1", "the file cannot be read"],
      ["2", "the command line cannot be read"],
    ],
  },

  async run(call) {
    const keep = call.number("lines", mostLines) ?? 20;
    const wanted = filterOf(call);
    let last: JsonObject[] | undefined = [];
    const show = (event: JsonObject) => call.terminal.report(event, describe(event));
    for await (const line of readAuditLog(call.args[0] ?? "", { follow: call.flag("follow") })) {
      if (line === undefined) {
        for (const event of last ?? []) show(event);
        last = undefined;
        continue;
      }
      const event = parseStrictJson(line, { maxLength: 1 << 22, maxDepth: 64 }).value;
      if (!isJsonObject(event) || !wanted(event)) continue;
      if (last === undefined) show(event);
      else if (last.push(event) > keep) last.shift();
    }
    return undefined;
  },
};

function filterOf(call: Call): (event: JsonObject) => boolean {
  const [types, subject, code] = [call.list("type"), call.text("subject"), call.text("code")];
  const begins = (type: string) =>
    types.some((start) => type.startsWith(start) || type.startsWith(prefix + start));
  return (event) =>
    (types.length === 0 || begins(text(event["type"]))) &&
    (subject === undefined || event["subject"] === subject) &&
    (code === undefined || member(event["data"], "code") === code);
}

const text = (value: JsonValue | undefined): string => (typeof value === "string" ? value : "");
const member = (value: JsonValue | undefined, name: string): JsonValue | undefined =>
  isJsonObject(value) ? value[name] : undefined;

/** "2026-03-30T12:00:00.000Z  request.refused  am_…?  POST /orders  clock_skew" */
function describe({ time, type, subject, data }: JsonObject): string {
  const request = member(data, "request");
  const parts = [
    text(time),
    text(type).replace(prefix, "").padEnd(15),
    (text(subject) || claimedBy(member(data, "unverified"))).padEnd(19),
    [text(member(request, "method")), text(member(request, "target"))].join(" ").trim(),
    ...["code", "notice", "by", "value", "kid"].map((name) => text(member(data, name))),
    text(member(member(data, "device"), "name")),
  ];
  return visible(
    parts
      .filter((part) => part.trim() !== "")
      .join("  ")
      .trimEnd(),
  );
}

/** Who somebody says it is: a device's id, or the subject of a token. */
function claimedBy(unverified: JsonValue | undefined): string {
  const id =
    text(member(member(unverified, "caller"), "id")) || text(member(member(unverified, "claims"), "sub"));
  return id === "" ? "-" : `${id}?`;
}
