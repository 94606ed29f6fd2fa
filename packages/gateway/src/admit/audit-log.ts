import { FanOutAuditSink } from "@authmesh/oath/audit";
import type { Logger } from "@authmesh/oath/logger";
import { FileAuditSink, StreamAuditSink } from "@authmesh/oath/node";
import type { Lease } from "./shared-parts.js";

/**
 * Where a gateway tells what it decided: nobody is let in of whom it could not tell.
 *
 * @param where a file, or "-" for standard output; undefined: nowhere
 * @throws AmeshError `audit_unavailable`, `storage_failed` for a file that cannot be written
 */
export async function openAuditLog(
  where: string | undefined,
  lease: Lease,
  logger: Logger,
): Promise<FanOutAuditSink | undefined> {
  if (where === undefined) return undefined;
  const { sink, log } = lease.take(
    "audit",
    where,
    () => {
      const sink = where === "-" ? new StreamAuditSink() : new FileAuditSink({ path: where });
      return { sink, log: new FanOutAuditSink([sink], { require: 1, logger }) };
    },
    ({ log }) => log.close(),
  );
  await sink.write([]); // so that what is wrong is said at the start
  return log;
}
