/** Pairings of devices at relays. */
import { randomBytes } from "node:crypto";
import { setTimeout as pause } from "node:timers/promises";
import type { Started } from "./measured-servers.js";
import { RelaySide } from "./relay-side.js";

/** What the devices say of a pairing (docs/protocol.md, 5.1), by size: `T` is who listens, `C` who connects. */
const frames = (
  [
    ["C", 32],
    ["T", 65],
    ["C", 65],
    ["C", 208],
    ["T", 208],
    ["T", 33],
    ["C", 29],
  ] as const
).map(([from, bytes]) => ({
  from,
  text: JSON.stringify({ type: "data", payload: randomBytes(bytes).toString("base64") }),
}));

/** Where the two sides of a pairing go. */
export interface Meeting {
  readonly listener: Started;
  readonly connector: Started;
}

let drawn = 0;

export function alone(server: Started): Meeting {
  return { listener: server, connector: server };
}

/**
 * Pairings that begin when they are due.
 *
 * @param pace how many a second
 * @returns the milliseconds that frames were under way, and how many pairings were at the end
 */
export async function steadily(
  meeting: Meeting,
  pace: number,
  forSeconds: number,
): Promise<{ took: number[]; left: number }> {
  const took: number[] = [];
  const running: Promise<void>[] = [];
  let done = 0;
  const began = performance.now();
  while (running.length < pace * forSeconds) {
    const due = Math.min(((performance.now() - began) / 1000) * pace, pace * forSeconds);
    while (running.length < due)
      running.push(pair(meeting, (milliseconds) => took.push(milliseconds)).then(() => void done++));
    // One that cannot be kept up is not pursued to the end of what the machine can hold.
    if (running.length - done > 2 * pace) break;
    await pause(1);
  }
  const left = running.length - done;
  await Promise.all(running);
  return { took, left };
}

/** One pairing, from the first socket until both are closed. */
export async function pair({ listener, connector }: Meeting, forwarded: (milliseconds: number) => void) {
  const code = String(100_000 + (drawn++ % 900_000));
  const T = await RelaySide.open(listener.port);
  T.say(`{"type":"listen","otc":"${code}"}`);
  await T.hear("listening");
  const C = await RelaySide.open(connector.port);
  C.say(`{"type":"connect","otc":"${code}"}`);
  await Promise.all([T.hear("peer_found"), C.hear("peer_found")]);
  for (const { from, text } of frames) {
    const [sender, receiver] = from === "T" ? [T, C] : [C, T];
    const sent = performance.now();
    sender.say(text);
    await receiver.hear("data");
    forwarded(performance.now() - sent);
  }
  T.say('{"type":"done"}');
  await C.hear("done");
  await Promise.all([T.ended(), C.ended()]);
}
