import { setImmediate as turn } from "node:timers/promises";
import { type CarriedData, type ClientMessage, parseClientMessage, workIsDone } from "@authmesh/core";
import type { OpenIdentity } from "@authmesh/keystore";
import { invite, listen, type PairingEvent } from "@authmesh/sdk/pairing";
import { beforeEach, describe, expect, it } from "vitest";
import type { WebSocket } from "ws";
import { endsAfter, holdTime } from "./held-time.js";
import { newCouple, newMachine, summaryOf } from "./machine.js";
import { startWebSocketServer } from "./strange-server.js";
import { type Ended, follow, pair, startRelay } from "./two-people.js";

const otc = "482916";
const challenge = (bits: number, seed = "AAECAwQFBgcICQoLDA0ODw") => ({
  type: "challenge" as const,
  seed,
  bits,
});
/** Under this code the first answer is 3,219,501, seconds away for any machine. */
const long = challenge(20, "BgYGBgYGBgYGBgYGBgYGBg");
/** Work gives way to others by what is named so. */
const isWorking = () => process.getActiveResourcesInfo().includes("Immediate");

let identity: OpenIdentity;
beforeEach(async () => {
  identity = await newMachine("prod-api");
});

const ask = (relay: string, signal?: AbortSignal): Promise<Ended> =>
  follow(invite(otc, { identity, relay, ...(signal && { signal }) }));

/** A relay that answers the n-th message with the n-th of what it says, `undefined` with nothing; and what it heard. */
async function startScriptedRelay(...script: readonly (object | undefined)[]) {
  const heard: ClientMessage<CarriedData>[] = [];
  const sockets: WebSocket[] = [];
  const server = await startWebSocketServer((socket, text) => {
    const said = script[heard.length];
    heard.push(parseClientMessage(text) as ClientMessage<CarriedData>);
    sockets.push(socket);
    if (said !== undefined) socket.send(JSON.stringify(said));
  });
  return { ...server, said: heard, sockets };
}

describe("a relay that is hot", () => {
  it("has two machines work before they meet, and neither they nor their people notice", async () => {
    const limits = { "relay.failures": 16, "address.failures": 1000, "address.openings": 1000 };
    const { url } = await startRelay({ limits });
    for (let i = 0; i < 8; i++) expect((await ask(url)).error).toBe("otc_not_found");
    const couple = await newCouple();
    const ended = await pair({ ...couple, relay: url });
    const told = ({ events }: Ended) => events.map(({ event }: PairingEvent) => event);
    expect(told(ended.target)).toEqual(["code", "peer", "verify", "paired"]);
    expect(told(ended.controller)).toEqual(["sas", "paired"]);
    expect(await summaryOf(couple.target)).toEqual(["Dev Laptop controller active"]);
    const metrics = await (await fetch(url.replace("ws:", "http:").replace("/ws", "/metrics"))).text();
    expect(metrics).toContain('challenges_total{outcome="solved"} 2\n');
  });

  it("is told the answer for the code that was said", async () => {
    const { url, said } = await startScriptedRelay(challenge(10), { type: "error", code: "otc_not_found" });
    expect((await ask(url)).error).toBe("otc_not_found");
    expect(said).toEqual([
      { type: "connect", otc },
      { type: "work", answer: expect.any(Number) },
    ]);
    const work = said[1] as Extract<ClientMessage, { type: "work" }>;
    expect(workIsDone(challenge(10), otc, work.answer)).toBe(true);
  });

  it("has ten seconds more to answer, once the work is done", async () => {
    holdTime();
    const { url, said } = await startScriptedRelay(challenge(10));
    const ending = ask(url);
    while (said.length < 2) await turn();
    expect(await endsAfter(10, ending)).toMatchObject({ error: "relay_protocol_error" });
  });
});

describe("a relay that asks for work", () => {
  it.each([
    ["of 21 bits", 0, [challenge(21)]],
    ["a second time", 1, [challenge(4), challenge(4)]],
    ["of a machine that has met its peer", 0, [{ type: "peer_found" }, challenge(4)]],
  ])("%s is no relay", async (_, works, script) => {
    const { url, said } = await startScriptedRelay(...script);
    expect((await ask(url)).error).toBe("relay_protocol_error");
    expect(said.filter(({ type }) => type === "work")).toHaveLength(works);
  });

  it("of a machine that waits under its code is no relay", async () => {
    const { url } = await startWebSocketServer((socket) => {
      socket.send('{"type":"listening","expiresIn":60}');
      socket.send(JSON.stringify(challenge(4)));
    });
    const side = listen({ identity, relay: url, verificationCode: async () => "" });
    expect((await follow(side)).error).toBe("relay_protocol_error");
  });

  it("and answers before it is done is no relay, and the work stops", async () => {
    const { url } = await startWebSocketServer((socket) => {
      socket.send(JSON.stringify(long));
      socket.send('{"type":"peer_found"}');
    });
    expect((await ask(url)).error).toBe("relay_protocol_error");
    await expect.poll(isWorking).toBe(false);
  });

  it("and goes is not worked for any longer", async () => {
    const { url, heard, sockets } = await startScriptedRelay(long);
    const ending = ask(url);
    await heard;
    expect(isWorking()).toBe(true);
    for (const socket of sockets) socket.close(1001, "relay_closing");
    expect((await ending).error).toBe("relay_unreachable");
    await expect.poll(isWorking).toBe(false);
  });

  it("is left by who cancels, at once", async () => {
    const cancel = new AbortController();
    const { url, heard, said } = await startScriptedRelay(long);
    const ending = ask(url, cancel.signal);
    await heard;
    cancel.abort();
    expect((await ending).error).toBe("pairing_cancelled");
    await expect.poll(isWorking).toBe(false);
    expect(said).toEqual([{ type: "connect", otc }]);
  });

  it("that takes over ten seconds is left, and said to be busy", async () => {
    holdTime();
    const { url, heard } = await startScriptedRelay(long);
    const ending = ask(url);
    await heard;
    expect(await endsAfter(10, ending)).toMatchObject({
      error: "relay_capacity",
      detail: expect.stringContaining("took over 10 seconds"),
    });
    await expect.poll(isWorking).toBe(false);
  });
});
