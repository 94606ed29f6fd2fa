import { PassThrough, Writable } from "node:stream";
import { expect, test } from "vitest";
import { OpenTelemetryAuditSink, type OpenTelemetryLogger } from "../../src/audit/index.js";
import { StreamAuditSink } from "../../src/node/index.js";
import { event } from "./fixture.js";

test("a stream gets a line of canonical JSON for each event", async () => {
  const stream = new PassThrough();
  const events = [event("a"), event("b")];
  await new StreamAuditSink(stream).write(events);
  const lines = String(stream.read()).split("\n");
  expect(lines.map((line) => (line === "" ? line : JSON.parse(line)))).toEqual([...events, ""]);
});

test("a stream that cannot be written is a failure", async () => {
  const error = Object.assign(new Error("write EPIPE"), { code: "EPIPE" });
  const stream = new Writable({ write: (_chunk, _encoding, done) => done(error) }).on("error", () => {});
  await expect(new StreamAuditSink(stream).write([event("a")])).rejects.toMatchObject({
    code: "audit_unavailable",
    message: 'The stream cannot be written: "EPIPE".',
  });
});

test("OpenTelemetry gets a record for each event, refusals as warnings", async () => {
  const records: Parameters<OpenTelemetryLogger["emit"]>[0][] = [];
  const sink = new OpenTelemetryAuditSink({ emit: (record) => void records.push(record) });
  const refused = event("a", false, { code: "clock_skew" });
  await sink.write([refused, { ...event("b"), type: "dev.authmesh.request.allowed", subject: "am_x" }]);
  expect(records).toMatchObject([
    {
      eventName: "dev.authmesh.request.refused",
      timestamp: 1_800_000_000_000,
      severityText: "WARN",
      attributes: {
        "cloudevents.event_id": "a",
        "cloudevents.event_source": "//api.example.com",
        "authmesh.proven": false,
      },
    },
    { severityText: "INFO", attributes: { "cloudevents.event_subject": "am_x", "authmesh.proven": true } },
  ]);
  expect(JSON.parse(records[0]?.body ?? "")).toEqual(refused);
});
