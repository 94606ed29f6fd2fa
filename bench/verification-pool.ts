/**
 * Would verifying signatures off the main thread gain on two cores? Inline against the threads of node:crypto itself, and
 * against one worker beside the main thread, which gets messages one by one or many at a time; beside each signature the main thread has work of its own to do,
 * as a server has.
 */
import { type KeyObject, verify } from "node:crypto";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { PrivateKey } from "@authmesh/core";
import { p256 } from "@noble/curves/nist.js";
import { median, print, whole } from "./compare.js";
import { keyObjectOf } from "./key-object.js";

/** Checked together, in the order given; the answer is a byte for each. */
interface Batch {
  readonly messages: readonly Uint8Array[];
  readonly signatures: readonly Uint8Array[];
}

const calls = 4000;
const rounds = 5;
/** Requests that a server has in hand at a time. */
const inHand = 64;

if (isMainThread) await measure();
else {
  const key = keyObjectOf(workerData as Uint8Array);
  parentPort?.on("message", ({ messages, signatures }: Batch) => {
    parentPort?.postMessage(messages.map((message, i) => isValid(key, message, signatures[i] as Uint8Array)));
  });
}

async function measure(): Promise<void> {
  const pair = PrivateKey.generate();
  const message = Buffer.from("x".repeat(180));
  const signature = p256.sign(message, pair.export());
  const key = keyObjectOf(pair.publicKey.bytes);
  const worker = new Worker(new URL(import.meta.url), { workerData: pair.publicKey.bytes });

  const sides: Readonly<Record<string, (work: () => void) => Promise<void>>> = {
    inline: async (work) => {
      for (let i = 0; i < calls; i++) {
        if (!isValid(key, message, signature)) throw new Error("invalid");
        work();
      }
    },
    "libuv's threads": (work) => onThreads(work),
    "worker, one a message": (work) => pooled(1, work),
    "worker, 8 a message": (work) => pooled(8, work),
    "worker, 32 a message": (work) => pooled(32, work),
  };

  for (const { name, micros } of [
    { name: "without other work", micros: 0 },
    { name: "with 40 µs of other work a request (node:http)", micros: 40 },
    { name: "with 150 µs of other work a request (a framework and a handler)", micros: 150 },
  ]) {
    const rates = new Map<string, number[]>();
    const cpu = new Map<string, number[]>();
    for (let round = 0; round <= rounds; round++) {
      for (const [side, run] of Object.entries(sides)) {
        const [started, before] = [performance.now(), process.cpuUsage()];
        await run(() => spin(micros));
        if (round === 0) continue; // warms up
        const { user, system } = process.cpuUsage(before);
        rates.set(side, [...(rates.get(side) ?? []), (calls / (performance.now() - started)) * 1000]);
        cpu.set(side, [...(cpu.get(side) ?? []), (user + system) / calls]);
      }
    }
    const inline = rates.get("inline") as number[];
    print(
      `Signatures verified, ${name}`,
      Object.fromEntries(
        [...rates].map(([side, all]) => {
          const ratio = median(all.map((rate, round) => rate / (inline[round] as number)));
          const micros = median(cpu.get(side) ?? [])
            .toFixed(0)
            .padStart(4);
          return [
            side,
            `${whole(median(all)).padStart(7)}/s   ${ratio.toFixed(2)} of inline  ${micros} µs CPU each`,
          ];
        }),
      ),
    );
  }
  await worker.terminate();

  function onThreads(work: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let sent = 0;
      let done = 0;
      const send = () => {
        if (sent === calls) return;
        sent++;
        verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature, (error, valid) => {
          if (error !== null || !valid) return reject(error ?? new Error("invalid"));
          send();
          work();
          if (++done === calls) resolve();
        });
      };
      for (let i = 0; i < inHand; i++) send();
    });
  }

  /** Keeps the worker busy with all that is in hand; each answer lets as many requests go on, and as many come in. */
  function pooled(batch: number, work: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let sent = 0;
      let done = 0;
      const send = () => {
        const count = Math.min(batch, calls - sent);
        if (count === 0) return;
        sent += count;
        const of = <T>(value: T): T[] => Array.from({ length: count }, () => value);
        worker.postMessage({ messages: of(message), signatures: of(signature) } satisfies Batch);
      };
      const answered = (valid: readonly boolean[]) => {
        if (valid.includes(false)) reject(new Error("invalid"));
        send();
        for (const _ of valid) work();
        done += valid.length;
        if (done < calls) return;
        worker.off("message", answered);
        resolve();
      };
      worker.on("message", answered);
      for (let i = 0; i < inHand / batch; i++) send();
    });
  }
}

function isValid(key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean {
  return verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
}

/** What a request costs a server besides, in CPU. */
function spin(micros: number): void {
  const until = performance.now() + micros / 1000;
  while (performance.now() < until);
}
