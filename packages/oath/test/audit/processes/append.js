// node append.js PATH PREFIX: appends events for ever, several at once, and prints each one's id once it is acknowledged.
import { writeSync } from "node:fs";
import { createAuditEvent } from "@authmesh/core";
import { FileAuditSink } from "@authmesh/oath/node";

const [path, prefix] = process.argv.slice(2);
const sink = new FileAuditSink({ path, fsync: "never", maxBytes: 20_000 });
const [type, source, proven] = ["dev.authmesh.request.allowed", "//api.example.com", true];
const data = { text: "x".repeat(200) };

async function appendForEver(writer) {
  for (let i = 0; ; i++) {
    const id = `${prefix}-${writer}-${i}`;
    await sink.write([createAuditEvent({ type, id, source, time: Date.now() / 1000, proven, data })]);
    writeSync(1, `${id}\n`);
  }
}
await Promise.all(Array.from({ length: 5 }, (_, writer) => appendForEver(writer))).catch((error) => {
  writeSync(1, `${error.code}: ${error.message}\n`);
});
