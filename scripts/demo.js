/**
 * npm run demo: two machines pair through a relay, one calls the other with no secret anywhere, and then everything an
 * attacker would try. Real processes of the real commands, loopback only, nothing left behind. Ends with a status other
 * than 0 when anything is not as it should be.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Transcript } from "./demo/transcript.js";
import { play, Wire } from "./demo/wire.js";
import { Machines } from "./machines.js";
import { root } from "./run.js";
import { build, install } from "./setup.js";

await install();
await build();

const transcript = new Transcript();
const machines = new Machines("demo");
const wire = new Wire();
const body = '{"amount":100}';
let api;

try {
  transcript.say("amesh: two machines, one call, no secret anywhere");

  transcript.heading("A relay, and an identity on each machine");
  await machines.startRelay();
  transcript.shell("relay", "amesh relay", `listening on ${machines.relay}`);
  await init("server", "prod-api");
  await init("laptop", "Dev Laptop");

  transcript.heading("They pair: one code to meet, one to make sure");
  const paired = await machines.pair("laptop", "server");
  transcript.shell("server", "amesh listen", `pairing code: ${paired.code}`);
  transcript.shell("laptop", `amesh invite ${paired.code}`, `verification code: ${paired.verification}`);
  transcript.say("  (a person reads it off the laptop and types it on the server)");
  transcript.say(`    server: "${paired.controller.friendlyName}" added as controller`);
  transcript.say(`    laptop: "${paired.target.friendlyName}" added as target`);

  transcript.heading("The laptop calls the API; all the proof is in one header");
  // Callers reach the server through the wire, so the wire's address is the host they call, and its audience.
  await wire.listen();
  api = await startApi(wire.host);
  const other = await startApi("other.example");
  wire.leadsTo = api.port;
  const answer = await call();
  const [sent] = wire.requests;
  transcript.shell(
    "laptop",
    "node call.js",
    /authorization: .*/i.exec(String(sent))[0].replace(/(.{76}).*/, "$1…"),
  );
  transcript.outcome("amesh.fetch is let in", `${answer.status} ${answer.body}`, answer.status === 200);

  transcript.heading("Somebody on the network tries");
  wire.forwards = false; // from here on, requests reach only the attacker's recording
  await attempt("the same request again", api, sent, 401, "replay_detected");
  await attempt("another body", api, await captured(body, '{"amount":900}'), 401, "signature_invalid");
  await attempt(
    "another content type",
    api,
    await captured(/application\/json/i, "text/plain"),
    401,
    "host_mismatch",
  );
  await attempt(
    "played to a second server, under that server's name",
    other,
    await captured(/^host: .*$/im, "Host: other.example"),
    401,
    "host_mismatch",
  );
  await attempt(
    "played to a second server, under the first one's name",
    other,
    await captured(),
    401,
    "host_mismatch",
  );
  await attempt(
    "a path that a router may read as /admin",
    api,
    await captured("/api/orders", "/api/../admin"),
    400,
    "malformed_target",
  );
  await attempt("a captured request as it was: it was good", api, await captured(), 200, undefined);
  wire.forwards = true;

  transcript.heading("Somebody writes to the server's allow_list.json");
  const file = join(machines.dir("server"), "allow_list.json");
  const before = readFileSync(file);
  writeFileSync(file, String(before).replace('"controller"', '"target"'));
  await afterwards("a call, after a role was edited", 500, "allow_list_integrity_failure");
  writeFileSync(file, before);
  await afterwards("a call, after the file was put back", 200, undefined);

  transcript.heading("The laptop is lost");
  const revoked = await machines.run("server", "revoke", "Dev Laptop", "--yes");
  transcript.shell("server", 'amesh revoke "Dev Laptop"', revoked);
  await afterwards("its next call", 401, "device_revoked");
  writeFileSync(file, before);
  await afterwards("a call, after the list of before was put back", 500, "allow_list_rollback");
} catch (error) {
  transcript.outcome("the demo itself", error instanceof Error ? error.message : String(error), false);
} finally {
  wire.close();
  await machines.close();
}
process.exitCode = transcript.end();

async function init(machine, name) {
  const output = await machines.run(machine, "init", "--name", name);
  const facts = output.split("\n").filter((line) => /Device ID|Backend +:/.test(line));
  transcript.shell(machine, `amesh init --name "${name}"`, facts.join("\n"));
}

async function startApi(audience) {
  const program = machines.start([join(root, "scripts/demo/api.js")], {
    machine: "server",
    env: { AUDIENCE: audience },
  });
  const { port } = await program.event("listening");
  /** Why the server decided as it did: in its log, not in its answer. */
  const reasonOf = (decision) =>
    program.line((line) => {
      const event = JSON.parse(line);
      return event.id === decision ? event.reason : undefined;
    });
  return { port, reasonOf };
}

/** The laptop calls through the wire. */
async function call() {
  const program = machines.start([join(root, "scripts/demo/call.js"), `http://${wire.host}/api/orders`], {
    machine: "laptop",
  });
  return program.event("answer");
}

/** A fresh, good request that never reached the server, with one thing changed. */
async function captured(from = "", to = "") {
  await call();
  return Buffer.from(String(wire.requests.at(-1)).replace(from, to));
}

/** The attacker sends bytes. */
async function attempt(what, server, bytes, status, reason) {
  await check(what, await play(server.port, bytes), server, status, reason);
}

/** The laptop calls, until the server has seen the change of its files: half a second at most. */
async function afterwards(what, status, reason) {
  let answer = await call();
  for (let tries = 0; answer.status !== status && tries < 10; tries++) {
    await pause(200);
    answer = await call();
  }
  await check(what, answer, api, status, reason);
}

/** The answer must be the right one, and the reason for a refusal must stand in the server's log. */
async function check(what, answer, server, status, reason) {
  const logged = reason === undefined ? undefined : await server.reasonOf(answer.decision);
  const shown = reason === undefined ? answer.status : `${answer.status} ${answer.body}  log: ${logged}`;
  transcript.outcome(what, shown, answer.status === status && logged === reason);
}
