import { invite } from "@authmesh/sdk/pairing";
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import type { Program } from "../../../scripts/machines.js";
import { RedisServer } from "../../../test/fixtures/redis-server.js";
import { newMachine, TestMachine } from "./fixtures/amesh.js";
import { failed } from "./fixtures/documents.js";

const host = new TestMachine();
let relay: Program;
let url: string;

function startRelay(env: Readonly<Record<string, string>> = {}): Program {
  const limits = ["address.listens", "address.failures"].flatMap((name) => ["--limit", `${name}=1000`]);
  return host.start(["relay", "--host", "127.0.0.1", "--port", "0", "--json", ...limits], env);
}

beforeAll(async () => {
  relay = startRelay();
  url = (await relay.event("listening")).url;
});
afterAll(async () => {
  await relay.stop();
  host.remove();
});

async function newPeer(name: string): Promise<TestMachine> {
  const machine = await newMachine(name);
  machine.env["AMESH_RELAY_URL"] = url;
  return machine;
}

let target: TestMachine;
let controller: TestMachine;
beforeEach(async () => {
  [target, controller] = await Promise.all([newPeer("prod-api"), newPeer("Dev Laptop")]);
});

const idOf = async (machine: TestMachine) => (await machine.open()).publicKey.deviceId;
const devicesOf = (machine: TestMachine) => machine.devices();
const eventsOf = ({ lines }: Program) => lines.map((line) => JSON.parse(line));

/** Starts a command that is stopped when the test is done. */
function start(machine: TestMachine, ...args: string[]): Program {
  const program = machine.start(args);
  onTestFinished(() => program.stop());
  return program;
}

describe("a pairing on two terminals", () => {
  it("shows what people need, and ends with both lists written", async () => {
    const [targetId, controllerId] = [await idOf(target), await idOf(controller)];
    const listening = target.startInTerminal(["listen", "--audience", "api.example.com"], { NO_COLOR: "1" });
    onTestFinished(() => listening.stop());
    const [, code = ""] = /: (\d{6})/.exec(await listening.shows(/Pairing code: \d{6}/)) ?? [];
    await listening.shows(`On the controller, run: amesh invite ${code}\n`);
    await listening.shows("expires in 60 seconds");

    const inviting = controller.startInTerminal(["invite", code], { NO_COLOR: "1" });
    onTestFinished(() => inviting.stop());
    const [, verification = ""] = /: (\d{6})/.exec(await inviting.shows(/Verification code: \d{6}/)) ?? [];
    await inviting.shows(`Type it on the target, "prod-api" (${targetId})`);
    await inviting.shows("Waiting for target to confirm verification code...\n");

    await listening.shows(`"Dev Laptop" (${controllerId}) answered`);
    await listening.shows("Verification code shown there: ");
    listening.type("000\n");
    await listening.shows("That is not the code it shows. 2 entries are left.");
    await listening.shows("Verification code shown there: ");
    listening.type(`${verification.slice(0, 3)} ${verification.slice(3)}\n`);
    await listening.shows('✔ "Dev Laptop" added as controller.\n');
    await inviting.shows('✔ "prod-api" added as target.\n');
    await inviting.shows(
      `It must now show "Dev Laptop" as controller.\n  If it does not, run here: amesh revoke ${targetId}`,
    );
    expect(await Promise.all([listening.ended, inviting.ended])).toEqual([0, 0]);
    expect(listening.screen + inviting.screen).not.toContain("\u001b");
    expect(listening.screen).not.toContain("No audience");

    expect(await devicesOf(target)).toMatchObject([
      {
        deviceId: controllerId,
        role: "controller",
        status: "active",
        bound: true,
        friendlyName: "Dev Laptop",
      },
    ]);
    expect(await devicesOf(controller)).toMatchObject([
      { deviceId: targetId, role: "target", status: "active" },
    ]);
  });

  it("asks whether to replace the present controller; no leaves everything as it was", async () => {
    await pairInJson(target, controller);
    const before = await devicesOf(target);
    const other = await newPeer("Other Laptop");
    for (const answer of ["n", "y"]) {
      const listening = target.startInTerminal(["listen"]);
      onTestFinished(() => listening.stop());
      const [code = ""] = /\d{6}/.exec(await listening.shows(/amesh invite \d{6}/)) ?? [];
      const inviting = start(other, "invite", code, "--json");
      await listening.shows(
        /Let "Other Laptop" \(am_.{16}\) take the place of "Dev Laptop" \(am_.{16}\)\? \[y\/N\] /,
      );
      listening.type(`${answer}\n`);
      if (answer === "n") {
        await listening.shows("(controller_limit_reached)");
        expect(await Promise.all([listening.ended, inviting.ended])).toEqual([1, 3]);
        expect(await devicesOf(target)).toEqual(before);
        expect(await devicesOf(other)).toEqual([]);
      } else {
        await listening.shows("Verification code shown there: ");
        listening.type(`${(await inviting.event("sas")).code}\n`);
        expect(await Promise.all([listening.ended, inviting.ended])).toEqual([0, 0]);
        expect(listening.screen).toMatch(/"Dev Laptop" \(am_.{16}\) was replaced/);
        expect(await devicesOf(target)).toMatchObject([{ friendlyName: "Other Laptop", role: "controller" }]);
      }
    }
  });

  it("is cancelled by an interrupt, on either side", async () => {
    const listening = target.startInTerminal(["listen"]);
    onTestFinished(() => listening.stop());
    const [code = ""] = /\d{6}/.exec(await listening.shows(/amesh invite \d{6}/)) ?? [];
    const inviting = start(controller, "invite", code);
    await listening.shows("Verification code shown there: ");
    listening.type("\u0003");
    await listening.shows("(pairing_cancelled)");
    expect(await listening.ended).toBe(1);
    expect(await inviting.ended).not.toBe(0);
    expect(await devicesOf(target)).toEqual([]);
    expect(await devicesOf(controller)).toEqual([]);
  });
});

/** Pairs by the events of both commands, and returns them. */
async function pairInJson(target: TestMachine, controller: TestMachine, ...flags: string[]) {
  const listening = start(target, "listen", "--json", ...flags);
  const { code } = await listening.event("code");
  const inviting = start(controller, "invite", code, "--json");
  const { code: verification } = await inviting.event("sas");
  await listening.event("verify");
  listening.write(`${verification}\n`);
  const statuses = await Promise.all([listening.ended, inviting.ended]);
  expect(statuses).toEqual([0, 0]);
  return { listened: eventsOf(listening), invited: eventsOf(inviting) };
}

describe("a pairing by scripts", () => {
  it("is one event a line, with the members that are documented, in their order", async () => {
    const [targetId, controllerId] = [await idOf(target), await idOf(controller)];
    const { listened, invited } = await pairInJson(target, controller);
    const peer = { deviceId: controllerId, friendlyName: "Dev Laptop" };
    const code = expect.stringMatching(/^[1-9]\d{5}$/);
    expect(listened).toEqual([
      { event: "code", code, expiresIn: 60 },
      { event: "peer", ...peer },
      { event: "verify", left: 3 },
      { event: "paired", ...peer, role: "controller", updated: false },
    ]);
    expect(listened.map((event) => Object.keys(event).join())).toEqual([
      "event,code,expiresIn",
      "event,deviceId,friendlyName",
      "event,left",
      "event,deviceId,role,friendlyName,updated",
    ]);
    expect(invited).toEqual([
      { event: "sas", code: expect.stringMatching(/^\d{6}$/), deviceId: targetId, friendlyName: "prod-api" },
      { event: "paired", deviceId: targetId, role: "target", friendlyName: "prod-api", updated: false },
    ]);
  });

  it("works where the two are at different instances of a relay", async () => {
    const redis = await RedisServer.start(onTestFinished);
    for (const machine of [target, controller]) {
      const instance = startRelay({ AMESH_RELAY_REDIS_URL: redis.url });
      onTestFinished(() => instance.stop());
      machine.env["AMESH_RELAY_URL"] = (await instance.event("listening")).url;
    }
    await pairInJson(target, controller);
    expect(await devicesOf(target)).toMatchObject([{ friendlyName: "Dev Laptop", role: "controller" }]);
    expect(await devicesOf(controller)).toMatchObject([{ friendlyName: "prod-api", role: "target" }]);
  });

  it("updates the entry of a device that is known, without a question", async () => {
    await pairInJson(target, controller);
    const { listened, invited } = await pairInJson(target, controller);
    expect([listened.at(-1), invited.at(-1)]).toMatchObject([{ updated: true }, { updated: true }]);
    expect(await devicesOf(target)).toHaveLength(1);
  });

  it("counts wrong entries and ends after three, with nothing changed", async () => {
    const listening = start(target, "listen", "--json");
    const { code } = await listening.event("code");
    const inviting = start(controller, "invite", code, "--json");
    const right = (await inviting.event("sas")).code;
    const wrong = right === "111111" ? "222222" : "111111";
    await listening.event("verify");
    listening.write(`${wrong}\n${wrong}\n${wrong}\n`);
    expect(await Promise.all([listening.ended, inviting.ended])).toEqual([3, 3]);
    expect(eventsOf(listening).slice(2)).toEqual([
      { event: "verify", left: 3 },
      { event: "mismatch", left: 2 },
      { event: "verify", left: 2 },
      { event: "mismatch", left: 1 },
      { event: "verify", left: 1 },
      { schema: 1, error: expect.objectContaining({ code: "pairing_code_mismatch" }) },
    ]);
    expect(eventsOf(inviting).at(-1).error.code).toBe("pairing_rejected");
    expect([await devicesOf(target), await devicesOf(controller)]).toEqual([[], []]);
  });

  it("does not take empty lines for wrong entries", async () => {
    const listening = start(target, "listen", "--json");
    listening.write("\n");
    const inviting = start(controller, "invite", (await listening.event("code")).code, "--json");
    const { code } = await inviting.event("sas");
    await listening.event("verify");
    listening.write(`\n \r\n\n\n${code}\n`);
    expect(await Promise.all([listening.ended, inviting.ended])).toEqual([0, 0]);
    expect(eventsOf(listening).map(({ event }) => event)).toEqual(["code", "peer", "verify", "paired"]);
  });

  it("sets the audience once it is paired, and leaves it as it was when it is not", async () => {
    const audience = async () => (await target.openList()).audience;
    await pairInJson(target, controller, "--audience", "old.example.com");
    expect(await audience()).toEqual(["old.example.com"]);

    const listen = ["listen", "--json", "--audience", "new.example.com"];
    expect((await target.run([...listen, "--relay", "localhost"])).status).toBe(2);
    expect((await target.run([...listen, "--relay", "ws://127.0.0.1:9/ws"])).status).toBe(5);
    const listening = start(target, ...listen);
    const inviting = start(controller, "invite", (await listening.event("code")).code, "--json");
    const wrong = (await inviting.event("sas")).code === "111111" ? "222222" : "111111";
    listening.write(`${wrong}\n${wrong}\n${wrong}\n`);
    expect(await listening.ended).toBe(3);
    expect(await audience()).toEqual(["old.example.com"]);

    await pairInJson(target, controller, "--audience", "new.example.com");
    expect(await audience()).toEqual(["new.example.com"]);
  });

  it("refuses a second controller, and takes it with --replace", async () => {
    await pairInJson(target, controller);
    const other = await newPeer("Other Laptop");
    const listening = start(target, "listen", "--json");
    const inviting = start(other, "invite", (await listening.event("code")).code, "--json");
    expect(await Promise.all([listening.ended, inviting.ended])).toEqual([1, 3]);
    const { error } = eventsOf(listening).at(-1);
    expect(error).toMatchObject({
      code: "controller_limit_reached",
      fix: expect.stringContaining("--replace"),
    });
    const { listened } = await pairInJson(target, other, "--replace");
    expect(await devicesOf(target)).toMatchObject([{ friendlyName: "Other Laptop" }]);
    const replaced = [{ deviceId: await idOf(controller), friendlyName: "Dev Laptop" }];
    expect(listened.at(-1)).toMatchObject({ event: "paired", replaced });
  });

  it("lets a second controller in beside the first with --max-controllers, once it is paired", async () => {
    await pairInJson(target, controller);
    const other = await newPeer("Other Laptop");
    const limit = async () => (await target.openList()).state.maxControllers;
    const listening = start(target, "listen", "--json", "--max-controllers", "2");
    const inviting = start(other, "invite", (await listening.event("code")).code, "--json");
    const wrong = (await inviting.event("sas")).code === "111111" ? "222222" : "111111";
    listening.write(`${wrong}\n${wrong}\n${wrong}\n`);
    expect(await listening.ended).toBe(3);
    expect(await limit()).toBe(1);

    const { listened } = await pairInJson(target, other, "--max-controllers", "2");
    expect(listened.at(-1).replaced).toBeUndefined();
    expect(await limit()).toBe(2);
    expect(await devicesOf(target)).toMatchObject([
      { friendlyName: "Dev Laptop" },
      { friendlyName: "Other Laptop" },
    ]);
  });

  it("warns a target that does not know its own name", async () => {
    const listening = start(target, "listen", "--json");
    const inviting = start(controller, "invite", (await listening.event("code")).code, "--json");
    await listening.event("verify");
    listening.write(`${(await inviting.event("sas")).code}\n`);
    await listening.ended;
    expect(listening.errors.join("\n")).toMatch(/^amesh: warning: No audience is set/);
  });
});

describe("a pairing that cannot be", () => {
  it("is refused, not waited for, when standard input is closed", async () => {
    const peers: Program[] = [];
    const onOutput = (text: string) => {
      const code = /"code":"(\d{6})"/.exec(text)?.[1];
      if (code !== undefined) peers.push(start(controller, "invite", code, "--json"));
    };
    const result = await target.run(["listen", "--json"], { onOutput });
    expect(result.status).toBe(2);
    expect(JSON.parse(result.stdout.trimEnd().split("\n").at(-1) ?? "").error.code).toBe("input_required");
    expect(await peers[0]?.ended).toBe(3);
  });

  it("is refused at once when nobody may be asked", async () => {
    expect(await target.run(["listen", "--no-input"])).toEqual({
      status: 2,
      ...failed("input_required", "--no-input"),
    });
  });

  it.each([
    ["a code that is none", ["12345"], 2, "pairing_code_malformed", "six digits"],
    ["a code nobody waits under", ["100000"], 3, "otc_not_found", "60 seconds"],
    [
      "a relay that is not there",
      ["100000", "--relay", "ws://127.0.0.1:9/ws"],
      5,
      "relay_unreachable",
      "amesh relay",
    ],
    ["a relay that is no URL", ["100000", "--relay", "localhost"], 2, "invalid_option", "ws://HOST:3001/ws"],
  ])("says what is wrong and what mends it: %s", async (_, args, status, code, hint) => {
    expect(await controller.run(["invite", ...args])).toEqual({ status, ...failed(code, hint) });
  });

  it("says the same of a missing identity on both sides", async () => {
    const stranger = new TestMachine();
    onTestFinished(() => stranger.remove());
    for (const args of [["listen"], ["invite", "100000"]]) {
      const result = await stranger.run(args);
      expect(result).toEqual({ status: 4, ...failed("identity_not_found", "amesh init") });
    }
  });
});

describe("a peer with a hostile name", () => {
  /** Pairs with `target` as a program that says of itself what it likes; returns what people see there. */
  async function seenWhenPairing(friendlyName: string): Promise<string> {
    const opened = await controller.open();
    const identity = { ...opened, identity: { ...opened.identity, friendlyName } };
    const listening = start(target, "listen");
    const code = await listening.line((line) => /amesh invite (\d{6})/.exec(line)?.[1]);
    for await (const event of invite(code, { identity, relay: url }))
      if (event.event === "sas") listening.write(`${event.code}\n`);
    expect(await listening.ended).toBe(0);
    return [...listening.lines, ...listening.errors].join("\n");
  }

  it("does not move the cursor of the machine it comes to", async () => {
    const output = await seenWhenPairing("\u001b[2J\u202eevil\r\nname");
    expect(output).toContain('✔ "[2Jevilname" added as controller.');
    expect(output).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
    expect((await target.succeed(["list"])).stdout).not.toMatch(/[^\P{Cc}\n]|\p{Cf}/u);
  });

  it("does not show the id of another device as its own", async () => {
    const output = await seenWhenPairing('Laptop" (am_AAAAAAAAAAAAAAAA)');
    const shown = String.raw`"Laptop\" (am_AAAAAAAAAAAAAAAA)"`;
    expect(output).toContain(`${shown} (${await idOf(controller)}) answered`);
    expect(output).toContain(`✔ ${shown} added as controller.`);
    expect(output).not.toContain('"Laptop" (am_');
  });
});
