import { type AuditEvent, canonicalJson, type JsonObject } from "@authmesh/core";

/** Characters of one line at most. */
export const longestLine = 1 << 20;

/**
 * The line of an event: canonical JSON, without an end of line. An event whose data JSON cannot hold, or that is longer
 * than a reader takes, is told of without its data, since what waits behind it must not wait for ever. Never throws.
 *
 * @param attributes beside those that it has
 */
export function encodeEvent(event: AuditEvent, attributes: Readonly<Record<string, string>> = {}): string {
  const whole = { ...event, ...attributes } as unknown as JsonObject;
  try {
    const line = canonicalJson(whole);
    if (line.length <= longestLine) return line;
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
  }
  const { specversion, type, time, datacontenttype } = event;
  const [id, source] = [event.id, event.source].map((text) => String(text).slice(0, 256).toWellFormed());
  const data = { leftOut: "data" };
  return canonicalJson({
    ...{ specversion, type, time, datacontenttype, proven: false, data },
    ...{ id: id as string, source: source as string, ...attributes },
  });
}
