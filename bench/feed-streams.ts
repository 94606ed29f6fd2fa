/**
 * What does a verifier that listens cost its authority: while nothing happens, and of each revocation? The streams are real
 * and nobody reads more of them than their bytes; what 10,000 of them would cost is multiplied from these.
 */
import { loadavg } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { PrivateKey } from "@authmesh/core";
import { percentile, print, smoke, whole } from "./compare.js";
import { account, clientOf } from "./enrolling-authority.js";
import type { FeedAsked } from "./feed-authority.js";
import { cores, MeasuredServers, type NodeServer, pin } from "./measured-servers.js";

const counts = smoke ? [20, 40] : [100, 500];
const ofOneReader = 50;
const revocations = smoke ? 5 : 100;
const quietSeconds = smoke ? 2 : 60;
const manyVerifiers = 10_000;

const delta = "event: delta";

/** What came of all streams. */
class Heard {
  bytes = 0;
  #deltas = 0;
  #wanted = 0;
  #all: (() => void) | undefined;

  async drain(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    for await (const piece of body) {
      const text = rest + Buffer.from(piece).toString("latin1");
      rest = text.slice(1 - delta.length); // a piece may end within it
      this.bytes += piece.length;
      this.#deltas += text.split(delta).length - 1;
      if (this.#deltas >= this.#wanted) this.#all?.();
    }
  }

  /** Once so many deltas more have come than until now. */
  deltas(more: number): Promise<void> {
    this.#wanted = this.#deltas + more;
    return new Promise((resolve) => {
      this.#all = resolve;
    });
  }
}

pin(process.pid, cores.callers);
const servers = new MeasuredServers();
const heard = new Heard();
const ending = new AbortController();
try {
  const authority = await servers.fork({ program: "feed-authority.js", role: "authority" });
  const told = [];
  const { resident: before } = await authority.health();
  let streams = 0;
  for (const count of counts) {
    while (streams < count) streams += await listen(authority, Math.min(ofOneReader, count - streams));
    const { resident } = await authority.health();
    told.push({ streams, resident, idle: await idle(authority), ...(await revoke(authority, streams)) });
  }
  const [few, many] = told as [(typeof told)[number], (typeof told)[number]];
  const slope = (of: "cpu" | "idle") => (many[of] - few[of]) / (many.streams - few.streams);
  print(`A feed of ${whole(many.streams)} streams, SQLite, without TLS`, {
    "memory of a stream": `${whole((many.resident - before) / many.streams)} bytes`,
    "a stream while nothing changes": `${(slope("idle") * 1e6).toFixed(1)} µs of computing a second`,
    "a revocation by itself": `${whole((few.cpu - slope("cpu") * few.streams) * 1e6)} µs`,
    "and for each stream": `${(slope("cpu") * 1e6).toFixed(1)} µs, ${whole(many.bytes)} bytes`,
    "until the last stream has it": `${whole(percentile(many.waits, 0.5))} ms (median), ${whole(percentile(many.waits, 0.99))} ms (p99)`,
    [`multiplied to ${whole(manyVerifiers)} streams`]: `${(slope("cpu") * manyVerifiers).toFixed(2)} s of computing, ${((many.bytes * manyVerifiers) / 1e6).toFixed(1)} MB a revocation; ${(slope("idle") * manyVerifiers * 100).toFixed(0)} % of a core while nothing changes`,
  });
  console.log(`  load of the machine ${loadavg()[0]?.toFixed(1)}`);
} finally {
  ending.abort();
  await servers.close();
}

/** Opens streams of one more reader. */
async function listen(authority: NodeServer, count: number): Promise<number> {
  const reader = PrivateKey.generate();
  await authority.ask<string>({ reader: reader.publicKey.base64 } satisfies FeedAsked);
  const { fetch: signed } = clientOf(reader);
  for (let i = 0; i < count; i++) {
    const url = `http://localhost:${authority.port}/v1/feeds/${account}/events`;
    const { status, body } = await signed(url, { signal: ending.signal });
    if (status !== 200 || body === null) throw new Error(`The authority answered ${status}.`);
    heard.drain(body).catch((error) => {
      if (!ending.signal.aborted) throw error;
    });
  }
  return count;
}

/** Seconds of computing a second. */
async function idle(authority: NodeServer): Promise<number> {
  const before = authority.cpu();
  await pause(quietSeconds * 1000);
  return (authority.cpu() - before) / quietSeconds;
}

/** Of one revocation: seconds of computing, bytes of each stream, and milliseconds until the last stream had it. */
async function revoke(authority: NodeServer, streams: number) {
  const ids: string[] = [];
  for (let i = 0; i < revocations; i++) {
    const device = PrivateKey.generate().publicKey.base64;
    const all = heard.deltas(streams);
    ids.push(await authority.ask<string>({ device } satisfies FeedAsked));
    await all;
  }
  const [cpu, bytes] = [authority.cpu(), heard.bytes];
  const waits: number[] = [];
  for (const id of ids) {
    const all = heard.deltas(streams);
    const began = performance.now();
    await Promise.all([authority.ask<string>({ revoke: id } satisfies FeedAsked), all]);
    waits.push(performance.now() - began);
  }
  return {
    cpu: (authority.cpu() - cpu) / revocations,
    bytes: (heard.bytes - bytes) / revocations / streams,
    waits,
  };
}
