import { join } from "node:path";
import type { Writable } from "node:stream";
import type { AuditSink } from "@authmesh/core";
import type { TokenSigner } from "@authmesh/oath";
import { FanOutAuditSink } from "@authmesh/oath/audit";
import { FileAuditSink, StreamAuditSink } from "@authmesh/oath/node";
import type { AuthorityOptions } from "./authority-options.js";

/**
 * The audit of an authority that is run as a program: nothing happens that it could not keep. Lines of a file are on
 * the disk by then, and the active key signs where its chain stands.
 *
 * @param where a file, `-` for the standard output, or `none`
 */
export function servedAudit(
  where: string | undefined,
  dir: string,
  stdout: Writable,
): AuthorityOptions["audit"] {
  if (where === "none") return undefined;
  if (where === "-") return required(new StreamAuditSink(stdout));
  return async (signer: TokenSigner) => {
    const path = where ?? join(dir, "audit.jsonl");
    const file = new FileAuditSink({ path, fsync: "always", checkpoints: { signer } });
    await file.write([]); // so that a file that cannot be written is told of at the start, and why
    return required(file);
  };
}

const required = (sink: AuditSink) => new FanOutAuditSink([sink], { require: 1 });
