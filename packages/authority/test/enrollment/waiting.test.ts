import { createSuccession, type Sign } from "@authmesh/core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Device, RunningAuthority } from "../running-authority.js";
import { Account, post, refusal } from "./account.js";

let running: RunningAuthority;
let acme: Account;
beforeAll(async () => {
  running = await RunningAuthority.start({}, afterAll);
  acme = await Account.open(running);
});

interface Told {
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** The events of a stream, one after another; undefined at its end. */
function listen(answer: Response): () => Promise<Told | undefined> {
  const reader = answer.body?.pipeThrough(new TextDecoderStream()).getReader();
  onTestFinished(() => reader?.cancel());
  let text = "";
  return async () => {
    for (;;) {
      const end = text.indexOf("\n\n");
      if (end !== -1) {
        const [, event, data] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
        text = text.slice(end + 2);
        if (event !== undefined && data !== undefined) return { event, data: JSON.parse(data) };
        continue;
      }
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
      if (done) return undefined;
      text += value;
    }
  };
}

const asEvents: typeof fetch = (url, init) =>
  fetch(url, { ...init, headers: { ...init?.headers, Accept: "text/event-stream" } });

let counter = 0;
const wait = async (device: Device, by: typeof fetch = fetch, of = acme) =>
  post(by, `${of.url}/wait`, { answer: await of.answer(device, "wait", ++counter) });

describe("waiting for a decision", () => {
  it("is told at once how it stands, and with events until it is decided", async () => {
    const { device, id } = await acme.pending();
    expect(await (await wait(device)).json()).toEqual({ id, status: "pending" });
    const next = listen(await wait(device, asEvents));
    expect(await next()).toEqual({ event: "status", data: { id, status: "pending" } });
    await acme.decide(id, "approve", { scopes: { orders: "r" }, lifetime: 600 });
    expect(await next()).toEqual({
      event: "status",
      data: { id, status: "approved", scopes: { orders: "r" }, expiresAt: expect.any(Number) },
    });
    expect(await next()).toBeUndefined();
  });

  it("hears why it was denied, and nothing of what it asked for", async () => {
    const { device, id } = await acme.pending();
    const next = listen(await wait(device, asEvents));
    await next();
    await acme.decide(id, "deny", { reason: "ask Jo first" });
    expect((await next())?.data).toEqual({ id, status: "denied", reason: "ask Jo first" });
    expect(await next()).toBeUndefined();
    expect(await (await wait(device)).json()).toEqual({ id, status: "denied", reason: "ask Jo first" });
  });

  it("is for three of one address at a time, and ends when the authority stops", async () => {
    const running = await RunningAuthority.start();
    const account = await Account.open(running);
    const [first, ...others] = [await account.pending(), await account.pending(), await account.pending()];
    const nexts = [];
    for (const { device } of [first, ...others]) {
      const next = listen(await wait(device, asEvents, account));
      await next();
      nexts.push(next);
    }
    const { device } = await account.pending();
    const fourth = await wait(device, asEvents, account);
    expect([fourth.status, fourth.headers.get("retry-after")]).toEqual([429, "15"]);
    await account.decide(first.id, "deny");
    const next = listen(await wait(device, asEvents, account));
    await next();
    const began = performance.now();
    await running.authority.close();
    expect(performance.now() - began).toBeLessThan(5000);
    await nexts[0]?.();
    for (const each of [...nexts, next]) expect(await each()).toBeUndefined();
  });

  it.each([
    ["of an unknown device", async () => acme.answer(new Device(), "wait", 1)],
    ["for another purpose", async () => acme.answer((await acme.pending()).device, "cancel", 1)],
    [
      "by another key",
      async () => {
        const [{ device }, other] = [await acme.pending(), new Device()];
        const { signature } = await acme.answer(other, "wait", 1);
        return { ...(await acme.answer(device, "wait", 1)), signature };
      },
    ],
  ])("is refused alike with an answer %s", async (_, answer) => {
    expect(await refusal(post(fetch, `${acme.url}/wait`, { answer: await answer() }))).toEqual([
      401,
      "challenge_refused",
    ]);
  });

  it("takes an answer once", async () => {
    const { device } = await acme.pending();
    const answer = await acme.answer(device, "wait", 1);
    expect((await post(fetch, `${acme.url}/wait`, { answer })).status).toBe(200);
    expect((await post(fetch, `${acme.url}/wait`, { answer })).status).toBe(401);
  });

  it("locks an approved enrollment whose key shows an old counter", async () => {
    const { device, id } = await acme.enrolled();
    const ask = async (count: number) =>
      post(fetch, `${acme.url}/wait`, { answer: await acme.answer(device, "wait", count) });
    expect((await ask(7)).status).toBe(200);
    expect(await refusal(ask(7))).toEqual([403, "enrollment_revoked"]);
    expect(await acme.show(id)).toMatchObject({ status: "revoked", reason: "suspected-clone" });
    expect((await device.fetch(`${acme.url}/self`)).status).toBe(401);
  });
});

describe("a request of one's own", () => {
  it("is withdrawn while it is pending, and only then", async () => {
    const { device, id } = await acme.pending();
    const cancel = async (of: Device) =>
      post(fetch, `${acme.url}/cancel`, { answer: await acme.answer(of, "cancel", ++counter) });
    expect(await (await cancel(device)).json()).toEqual({ id, status: "deleted" });
    expect(await refusal(acme.master.fetch(`${acme.url}/${id}`))).toEqual([404, "enrollment_not_found"]);
    expect(await refusal(cancel(device))).toEqual([401, "challenge_refused"]);
    const approved = await acme.enrolled();
    expect(await refusal(cancel(approved.device))).toEqual([409, "enrollment_state"]);
  });
});

describe("a rotation", () => {
  const rotate = async (from: Device, to: Device, signer = from) => {
    const sign: Sign = async (message) => signer.key.sign(message);
    const publicKey = from.key.publicKey;
    const succession = await createSuccession({ publicKey, sign }, to.key.publicKey);
    return post(fetch, `${acme.url}/rotation`, { succession, answer: await acme.answer(to, "rotate", 0) });
  };

  it("puts another key in the place of the present one, and says so again when its answer was lost", async () => {
    const { device, id } = await acme.enrolled();
    const next = new Device();
    expect(await (await rotate(device, next)).json()).toMatchObject({ id, status: "approved" });
    expect((await next.fetch(`${acme.url}/self`)).status).toBe(200);
    expect((await device.fetch(`${acme.url}/self`)).status).toBe(401);
    expect(await (await rotate(device, next)).json()).toMatchObject({ id, status: "approved" });
    expect(await refusal(rotate(device, new Device()))).toEqual([401, "challenge_refused"]);
  });

  it("needs both keys, and an enrollment that stands", async () => {
    const { device, id } = await acme.enrolled();
    const next = new Device();
    expect(await refusal(rotate(device, next, new Device()))).toEqual([401, "challenge_refused"]);
    await acme.decide(id, "revoke");
    const [status] = await refusal(rotate(device, next));
    expect([401, 403, 409]).toContain(status);
    expect((await next.fetch(`${acme.url}/self`)).status).toBe(401);
  });
});

describe("watching", () => {
  it("tells an approver every change of its account, and of no other", async () => {
    const answer = await acme.master.fetch(`${acme.url}/events`);
    expect(answer.headers.get("content-type")).toBe("text/event-stream");
    const next = listen(answer);
    await (await Account.open(running)).pending();
    const { id } = await acme.pending();
    expect(await next()).toMatchObject({
      event: "enrollment",
      data: { id, status: "pending", code: expect.stringMatching(/^\d{6}$/) },
    });
    await acme.decide(id, "deny");
    expect((await next())?.data).toMatchObject({ id, status: "denied" });
  });

  it("ends when the watcher may not read any more", async () => {
    for (const end of [
      (id: string) => acme.decide(id, "revoke"),
      (id: string) => acme.decide(id, "narrow", { scopes: { orders: "r" } }),
    ]) {
      const { device, id } = await acme.enrolled({ scopes: { orders: "r", __manage: "r" } });
      const next = listen(await device.fetch(`${acme.url}/events`));
      expect((await end(id)).status).toBe(200);
      let told = await next();
      for (; told !== undefined; told = await next()) expect(told.data["id"]).toBe(id);
      await acme.pending();
      expect(told).toBeUndefined();
    }
  });
});
