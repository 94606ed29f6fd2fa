import { invite } from "@authmesh/sdk/pairing";
import { beforeAll, describe, expect, it } from "vitest";
import { isAt, type Place, startHostileRelay } from "./hostile-relay.js";
import { entriesOf, newCouple, summaryOf, trusts } from "./machine.js";
import { build, type Child, start } from "./processes/child.js";
import { deferred, follow, pair, startRelay } from "./two-people.js";

beforeAll(build);

/** A relay that keeps one frame to itself and says when it has it. */
async function startRelayThatKeeps(place: Place) {
  const kept = deferred<void>();
  const { url } = await startHostileRelay((frame, relay) => {
    if (isAt(frame, place)) kept.resolve();
    else relay.pass(frame.to, frame.payload);
  });
  return { url, kept: kept.promise };
}

/** Two processes up to the moment at which the operator has typed the code. */
async function startBoth(targetDir: string, controllerDir: string, relay: string) {
  const target = start("listen", targetDir, relay);
  const { code = "" } = await target.next();
  const controller = start("invite", controllerDir, relay, code);
  const { code: shown = "" } = await controller.next();
  expect(await target.next()).toMatchObject({ event: "peer" });
  expect(await target.next()).toMatchObject({ event: "verify" });
  target.type(shown);
  return { target, controller };
}

describe("two processes that pair", () => {
  it("write nothing but the events and end by themselves", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const { target, controller } = await startBoth(couple.target.dir, couple.controller.dir, url);
    const names = ({ out }: { out: string }) =>
      out
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { event: string }).event);
    const [listened, invited] = await Promise.all([target.ended, controller.ended]);
    expect(listened).toMatchObject({ exit: 0, err: "" });
    expect(names(listened)).toEqual(["code", "peer", "verify", "paired"]);
    expect(invited).toMatchObject({ exit: 0, err: "" });
    expect(names(invited)).toEqual(["sas", "paired"]);
    expect(await trusts(couple.target, couple.controller, "controller")).toBe(true);
  });

  it("end by themselves when they fail, and say nothing more", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const unknown = await start("invite", couple.controller.dir, url, "482916").ended;
    expect(unknown).toEqual({ exit: 0, err: "", out: '{"error":"otc_not_found"}\n' });
    const unreachable = await start("listen", couple.target.dir, "ws://127.0.0.1:1/ws").ended;
    expect(unreachable).toEqual({ exit: 0, err: "", out: '{"error":"relay_unreachable"}\n' });
  });
});

describe("a process that is killed", () => {
  /** Whatever was left behind, the next pairing leads to an active controller and one entry on each side. */
  async function mend(couple: Awaited<ReturnType<typeof newCouple>>): Promise<void> {
    const { url } = await startRelay();
    const ended = await pair({ ...couple, relay: url });
    expect(ended.target.events.at(-1)).toMatchObject({ event: "paired", updated: false });
    expect(await summaryOf(couple.target)).toEqual(["Dev Laptop controller active"]);
    expect(await summaryOf(couple.controller)).toEqual(["prod-api target active"]);
  }

  it("at the target, after the pending entry was written, leaves an entry that counts as unknown", async () => {
    const { url, kept } = await startRelayThatKeeps({ from: "controller", index: 3 });
    const couple = await newCouple();
    const { target } = await startBoth(couple.target.dir, couple.controller.dir, url);
    await kept;
    await target.kill();

    expect(await summaryOf(couple.target)).toEqual(["Dev Laptop controller pending"]);
    expect(await trusts(couple.target, couple.controller, "controller")).toBe(false);
    await mend(couple);
  });

  it("at the target, while the code is asked for, leaves nothing", async () => {
    const { url } = await startRelay();
    const couple = await newCouple();
    const target = start("listen", couple.target.dir, url);
    const { code = "" } = await target.next();
    const inviting = follow(invite(code, { identity: couple.controller, relay: url }), () => target.kill());
    expect((await inviting).error).toBe("pairing_peer_left");
    expect(await entriesOf(couple.target)).toEqual([]);
    expect(await entriesOf(couple.controller)).toEqual([]);
    await mend(couple);
  });

  it("at the controller, before it heard the verdict, leaves nothing on either side", async () => {
    const { url, kept } = await startRelayThatKeeps({ from: "target", index: 2 });
    const couple = await newCouple();
    const both: { target: Child; controller: Child } = await startBoth(
      couple.target.dir,
      couple.controller.dir,
      url,
    );
    await kept;
    await both.controller.kill();
    expect(await both.target.next()).toEqual({ error: "pairing_unconfirmed" });
    expect(await entriesOf(couple.target)).toEqual([]);
    expect(await entriesOf(couple.controller)).toEqual([]);
    await mend(couple);
  });
});
