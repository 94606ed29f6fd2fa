/**
 * How long is it from an approver's revocation until each of 200 connected verifiers refuses the device? Four processes
 * of 50 verifiers, each an enrolled device with a copy of its own; the authority, on SQLite, is in this one, and the clock
 * is that of one machine. Beside them as many that ask for a list in JSON every second.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { Agent, createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { loadavg } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { PrivateKey } from "@authmesh/core";
import { freePort } from "../test/fixtures/free-port.js";
import { moment, percentile, print, smoke, whole } from "./compare.js";
import { EnrollingAuthority, optionsIn, temporaryFolder } from "./enrolling-authority.js";
import type { Beginning, Told } from "./feed-verifiers.js";

const program = fileURLToPath(new URL("feed-verifiers.js", import.meta.url));
const processes = smoke ? 2 : 4;
const verifiersOfOne = smoke ? 5 : 50;
const verifiers = processes * verifiersOfOne;

interface Way {
  readonly by: Beginning["by"];
  readonly revocations: number;
  /** Milliseconds from one to the next; 0: once all refuse. */
  readonly everyMs: number;
  readonly name: string;
  /** Milliseconds within which 99 of 100 refuse. */
  readonly aim?: number;
}

const ways: readonly Way[] = [
  { by: "push", revocations: smoke ? 3 : 40, everyMs: 0, name: "pushed", aim: 1000 },
  { by: "list", revocations: smoke ? 3 : 40, everyMs: 0, name: "a list in JSON, polled every second" },
  {
    by: "poll",
    revocations: 10,
    everyMs: 1500,
    name: "push refused by a proxy, polled every 30 s",
    aim: 31_000,
  },
];

for (const way of smoke ? ways.slice(0, 2) : ways) {
  const { waits, answers } = await measure(way);
  const [p50, p99] = [percentile(waits, 0.5), percentile(waits, 0.99)];
  print(
    `Revocation to refusal, ${verifiers} verifiers in ${processes} processes, ${way.revocations} revocations: ${way.name}`,
    {
      median: `${whole(p50)} ms`,
      "99 of 100 within": `${whole(p99)} ms`,
      longest: `${whole(Math.max(...waits))} ms`,
      "of which the authority's answer": `${whole(percentile(answers, 0.5))} ms (median)`,
      ...(way.aim === undefined
        ? {}
        : { aim: `99 of 100 under ${whole(way.aim)} ms`, met: p99 < way.aim ? "yes" : "NO" }),
    },
  );
}
console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}`);

/** Milliseconds from each revocation to each refusal, and to the answer that the approver got. */
async function measure({ by, revocations, everyMs }: Way) {
  const [port, behind] = [await freePort(), await freePort()];
  const isCut = by === "poll";
  const servers: Server[] = [];
  const enrolling = await EnrollingAuthority.start({
    ...optionsIn(temporaryFolder(), isCut ? behind : port),
    issuer: `http://localhost:${port}`,
  });
  if (isCut) servers.push(await proxyWithoutEvents(port, behind));
  await enrolling.open();
  const invitation = await enrolling.invite(verifiers + revocations, true);
  const devices = await Promise.all(
    Array.from({ length: revocations }, async () => {
      const { publicKey } = PrivateKey.generate();
      const { id } = await enrolling.request(publicKey.base64, invitation);
      return { enrollment: id, id: publicKey.deviceId, key: publicKey.base64 };
    }),
  );
  const revoked: string[] = [];
  const url = by === "list" ? await serveList(revoked, servers) : enrolling.url;
  const pin = enrolling.authority.state.feedKeys.thumbprint ?? "";

  const children = Array.from({ length: processes }, () => fork(program, [String(verifiersOfOne)]));
  const refusals = new Map(devices.map(({ id }) => [id, [] as number[]]));
  await Promise.all(children.map((child) => begin(child, { by, url, pin, devices })));

  const waits: number[] = [];
  const answers: number[] = [];
  const approver = enrolling.fetchOf();
  const all: Promise<void>[] = [];
  for (const { enrollment, id } of devices) {
    const began = moment();
    const answer = await approver(`${enrolling.url}/v1/enrollments/${enrollment}/revoke`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
    if (answer.status !== 200) throw new Error(`The authority answered ${answer.status}.`);
    answers.push(moment() - began);
    revoked.push(id);
    const refused = whenAllRefuse(id).then((at) => void waits.push(...at.map((each) => each - began)));
    all.push(refused);
    await (everyMs === 0 ? refused : pause(everyMs));
  }
  await Promise.all(all);
  for (const child of children) child.disconnect();
  await enrolling.authority.close();
  for (const server of servers) server.close().closeAllConnections();
  return { waits, answers };

  /** Enrolls the verifiers of a process, and has them begin. */
  async function begin(child: ChildProcess, beginning: Beginning): Promise<void> {
    const [{ keys }] = (await once(child, "message")) as [{ readonly keys: readonly string[] }];
    for (const key of keys) await enrolling.request(key, invitation, undefined, { feed: "r" });
    const ready = new Promise<void>((resolve) => {
      child.on("message", (told: Told) => {
        if ("ready" in told) resolve();
        if ("refused" in told) refusals.get(told.refused)?.push(told.at);
      });
    });
    child.send(beginning);
    await ready;
  }

  async function whenAllRefuse(id: string): Promise<readonly number[]> {
    const at = refusals.get(id) as number[];
    while (at.length < verifiers) await pause(10);
    return at;
  }
}

/** What verifiers without a feed would ask for: everything that is revoked. */
async function serveList(revoked: readonly string[], servers: Server[]): Promise<string> {
  const server = createServer((_, response) => response.end(JSON.stringify(revoked))).listen(0, "127.0.0.1");
  await once(server, "listening");
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

/** One of those proxies that let nothing through whose end they cannot see. */
async function proxyWithoutEvents(port: number, to: number): Promise<Server> {
  const agent = new Agent({ keepAlive: true });
  const server = createServer((incoming, outgoing) => {
    if (incoming.url?.endsWith("/events")) {
      outgoing.writeHead(503).end();
      return;
    }
    const { method, url, headers } = incoming;
    const passed = request({ host: "127.0.0.1", port: to, agent, method, path: url, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    passed.once("error", () => outgoing.destroy());
    incoming.pipe(passed);
  }).listen(port, "localhost");
  await once(server, "listening");
  return server;
}
