/**
 * Audit: sinks, a fan-out over several, and the hash chain of lines with its checkpoints (docs/protocol.md,
 * section 13). Files are under `/node`.
 *
 * @module
 */
export { type ChainHead, type ChainLine, chainEvent, chainStart, readChainLine } from "./chain.js";
export { type Checkpoint, type ReadCheckpoint, readCheckpoint, signCheckpoint } from "./checkpoint.js";
export type { CheckpointOptions } from "./checkpoints.js";
export { encodeEvent } from "./encode-event.js";
export {
  type AuditRecorder,
  auditRecorder,
  FanOutAuditSink,
  type FanOutOptions,
} from "./fan-out-audit-sink.js";
export {
  type Finding,
  type FindingKind,
  LogCheck,
  type LogCheckOptions,
  type LogReport,
  type Place,
} from "./log-check.js";
export { OpenTelemetryAuditSink, type OpenTelemetryLogger } from "./open-telemetry-audit-sink.js";
export { RedisStreamAuditSink, type RedisStreamOptions } from "./redis-stream-audit-sink.js";
export { WebhookAuditSink, type WebhookOptions } from "./webhook-audit-sink.js";
