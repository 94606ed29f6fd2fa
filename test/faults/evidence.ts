import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { verifyAuditLog } from "@authmesh/oath/node";
import type { Part, PartName } from "./part.js";
import type { AuditRow, Holding } from "./record.js";

/** An audit log, from a place in it on. */
export interface LogMark {
  readonly log: PartName;
  readonly file: string;
  readonly offset: number;
}

interface Event {
  readonly id: string;
  readonly type: string;
  readonly subject?: string;
  readonly data: {
    readonly code?: string;
    readonly request?: { readonly target: string };
    readonly claims?: { readonly jti?: string };
    readonly token?: { readonly jti?: string };
    /** Of a revocation by name. */
    readonly value?: string;
  };
}

const prefix = "dev.authmesh.";
const decisions: Readonly<Record<string, boolean>> = { "request.allowed": true, "request.refused": false };

export const markOf = (log: PartName, file: string): LogMark => ({
  log,
  file,
  offset: existsSync(file) ? statSync(file).size : 0,
});

/** The decisions that were written behind a mark. */
export const rowsBehind = (mark: LogMark): readonly AuditRow[] =>
  eventsBehind(mark).flatMap(({ id, type, data }) => {
    const allowed = decisions[type.slice(prefix.length)];
    const proof = data.claims?.jti ?? data.request?.target ?? "";
    return allowed === undefined ? [] : [{ log: mark.log, id, allowed, proof, reason: data.code }];
  });

/** What an authority wrote that it did, behind a mark: "minted JTI", "revoked DEVICE". */
export const actsBehind = (mark: LogMark): ReadonlySet<string> =>
  new Set(
    eventsBehind(mark).map(({ type, subject, data }) => {
      const what = type.slice(type.lastIndexOf(".") + 1);
      return `${what} ${data.value ?? data.token?.jti ?? subject}`;
    }),
  );

function eventsBehind({ file, offset }: LogMark): readonly Event[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file).subarray(offset).toString().split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Event);
}

/** What is wrong with the chain of a log, from its first line on. */
export async function findingsIn({ log, file }: LogMark): Promise<readonly string[]> {
  if (!existsSync(file)) return [];
  const { findings } = await verifyAuditLog([file]);
  return findings.map(({ kind, line, detail }) => `the audit ${log}:${line} is ${kind}: ${detail}`);
}

/** What the process of a part holds now. */
export function holdingOf({ program: { pid } }: Part): Holding {
  const [, pages] = readFileSync(`/proc/${pid}/statm`, "utf8").split(" ");
  return { pid, residentBytes: Number(pages) * 4096, descriptors: readdirSync(`/proc/${pid}/fd`).length };
}
