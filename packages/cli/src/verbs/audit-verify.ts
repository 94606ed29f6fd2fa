import { AmeshError } from "@authmesh/core";
import type { LogReport } from "@authmesh/oath/audit";
import { verifyAuditLog } from "@authmesh/oath/node";
import { readKeys } from "../audit/read-keys.js";
import type { Call } from "../call.js";
import { type Finding, formatFinding } from "../finding.js";
import { readSource } from "../input-source.js";
import { visible } from "../terminal/visible.js";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Reads the files of one audit log, in whatever order they are given, and says what was changed since they were written: lines that were edited, deleted, exchanged or added, chains that begin anew, and two continuations of one line.",
      "The chain alone shows a change in the middle. That lines were cut off at the end, or that all of it was written anew, shows only a checkpoint that was kept elsewhere (--checkpoint), or for what came before the last checkpoint the key that signs them (--key).",
    ],
    arguments: [
      {
        name: "FILE...",
        about: "the log, and the older files beside it; names that end in .lock are passed over",
      },
    ],
    options: [
      {
        flags: "--key FILE",
        about: "public key that signs checkpoints: a JWK, or a set of them",
        repeatable: true,
      },
      { flags: "--checkpoint FILE", about: "the latest checkpoint, kept elsewhere; - reads standard input" },
      { flags: "--partial", about: "older files are kept elsewhere: the log may begin late" },
      { flags: "--signatures", about: "check the evidence in the events too: what the callers signed" },
    ],
    examples: [
      ["amesh audit verify audit.jsonl*", "a log and its older files"],
      [
        "amesh audit verify audit.jsonl --key key.jwk --checkpoint latest.jws",
        "with what was kept elsewhere",
      ],
      [
        "amesh audit verify audit.jsonl --key key.jwk --json | jq -r .lastCheckpoint",
        "the checkpoint to keep elsewhere",
      ],
    ],
    exit: [
      ["0", "nothing was changed, as far as can be told"],
      ["1", "something was changed, or a file cannot be read"],
      ["2", "the command line, a key or the checkpoint cannot be read"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const keys = (await Promise.all(call.list("key").map(readKeys))).flat();
    const checkpoint = await readCheckpoint(call);
    if (checkpoint !== undefined && keys.length === 0)
      throw new AmeshError("invalid_option", "--checkpoint needs the key that signed it.", {
        fix: "Give --key FILE.",
      });
    const report = await verifyAuditLog(call.args, {
      keys,
      ...(checkpoint === undefined ? {} : { checkpoint }),
      partial: call.flag("partial"),
      signatures: call.flag("signatures"),
      onProgress: (done, total) => {
        if (process.stderr.isTTY) terminal.note(`${Math.floor((100 * done) / total)} % checked`);
      },
    });
    const limits = { keys: keys.length > 0, checkpoint: checkpoint !== undefined };
    terminal.answer({ sound: report.findingCount === 0, ...report }, () =>
      describe(report, limits)
        .map((finding) => formatFinding(terminal, finding))
        .join("\n"),
    );
    return report.findingCount === 0 ? 0 : 1;
  },
};

async function readCheckpoint(call: Call): Promise<string | undefined> {
  const source = call.text("checkpoint");
  return source === undefined ? undefined : (await readSource(source, 4096)).toString("utf8").trim();
}

interface Limits {
  readonly keys: boolean;
  readonly checkpoint: boolean;
}

function describe(report: LogReport, { keys, checkpoint }: Limits): Finding[] {
  const { lines, first, head, signedThrough, evidence, notices, findings, findingCount } = report;
  const count = (value: number) => value.toLocaleString("en-US");
  const counted = (value: number, noun: string) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
  const range = head === undefined ? "" : `, numbers ${first} to ${head.sequence}`;
  const checked = `${counted(lines, "line")}${range}`;
  return [
    ...findings.map(({ kind, file, line, detail }) => ({
      verdict: "FAIL" as const,
      detail: `${visible(file)}:${line}: ${kind}: ${detail}`,
    })),
    ...(findingCount > findings.length
      ? [{ verdict: "FAIL" as const, detail: `${count(findingCount - findings.length)} more.` }]
      : []),
    ...notices.map(({ file, line, notice }) => ({
      verdict: "WARN" as const,
      detail: `${visible(file)}:${line}: the writer tells of ${visible(notice)}.`,
    })),
    ...(evidence === 0
      ? []
      : [{ verdict: "OK" as const, detail: `Evidence in ${counted(evidence, "event")}.` }]),
    ...(signedThrough === undefined
      ? []
      : [{ verdict: "OK" as const, detail: `Signed through number ${signedThrough}.` }]),
    ...(keys
      ? []
      : [{ verdict: "WARN" as const, detail: "Without --key, a log that was written anew is not found." }]),
    ...(checkpoint
      ? []
      : [
          {
            verdict: "WARN" as const,
            detail: "Without --checkpoint, lines cut off at the end are not found.",
          },
        ]),
    findingCount === 0
      ? { verdict: "OK", detail: `${checked}: no change was found.` }
      : {
          verdict: "FAIL",
          detail: `${checked}: ${counted(findingCount, "finding")}.`,
        },
  ];
}
