/**
 * Audit: sinks, a fan-out over several, and the hash chain of lines with its checkpoints (docs/protocol.md,
 * section 13). Files are under `/node`.
 *
 * @module
 */
export { type ChainHead, type ChainLine, chainEvent, chainStart, readChainLine } from "./chain.js";
export { encodeEvent } from "./encode-event.js";
export {
  type AuditRecorder,
  auditRecorder,
  FanOutAuditSink,
  type FanOutOptions,
} from "./fan-out-audit-sink.js";
export { OpenTelemetryAuditSink, type OpenTelemetryLogger } from "./open-telemetry-audit-sink.js";
export { RedisStreamAuditSink, type RedisStreamOptions } from "./redis-stream-audit-sink.js";
export { WebhookAuditSink, type WebhookOptions } from "./webhook-audit-sink.js";
