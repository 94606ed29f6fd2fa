import {
  approveEnrollment,
  cancelEnrollment,
  createInvitation,
  createPasscode,
  requestEnrollment,
  rotateKey,
  showEnrollment,
} from "@authmesh/sdk/enroll";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { codeOf } from "../../../../test/fixtures/code-of.js";
import { buildPackage } from "../../../keystore/test/processes/built.js";
import { manufactured, SoftwareTpm } from "../../../keystore/test/swtpm.js";
import { RunningAuthority } from "../running-authority.js";
import { type Machine, newMachine, onboarded, wishOf } from "./machine.js";

let state: string;
let roots: string;
let plain: SoftwareTpm;
beforeAll(async () => {
  buildPackage("sdk");
  ({ state, roots } = manufactured(afterAll));
  plain = await SoftwareTpm.start(afterAll);
});

/** A machine whose key is to be in a TPM. */
const machineIn = ({ env }: SoftwareTpm) => ({ ...newMachine(), env, backend: "tpm" });
const machineInGood = async () => machineIn(await SoftwareTpm.start(onTestFinished, "unix", state));

/** Its request, admitted by a passcode. */
async function ask(authority: RunningAuthority, by: Machine, machine: object, more: object = {}) {
  const { passcode } = await createPasscode(by);
  return requestEnrollment({ ...wishOf(authority, machine as Machine), passcode, ...more });
}

describe("a request whose key is in a TPM", () => {
  it("is told as proven, with the maker of the TPM, to the machine and to approvers", async () => {
    const authority = await RunningAuthority.start({ attestation: { roots } });
    const root = await onboarded(authority);
    const asked = await ask(authority, root, await machineInGood());
    const proven = { attestation: "proven", maker: "id:00001014" };
    expect(asked).toMatchObject({ status: "pending", ...proven });
    expect(await showEnrollment({ ...root, id: asked.id })).toMatchObject(proven);
  });

  it("says nothing when it is told not to", async () => {
    const authority = await RunningAuthority.start({ attestation: { roots } });
    const root = await onboarded(authority);
    const asked = await ask(authority, root, await machineInGood(), { attest: false });
    expect(asked).toMatchObject({ attestation: "none" });
  });

  it("stays claimed, and says why, without a certificate or without a root that is known", async () => {
    const [authority, rootless] = [
      await RunningAuthority.start({ attestation: { roots } }),
      await RunningAuthority.start(),
    ];
    const asked = await ask(authority, await onboarded(authority), machineIn(plain), { attest: true });
    expect(asked).toMatchObject({
      attestation: "claimed",
      unproven: expect.stringMatching(/has no certificate/),
    });
    const root = await onboarded(rootless);
    const { id } = await ask(rootless, root, await machineInGood());
    expect(await showEnrollment({ ...root, id })).toMatchObject({
      attestation: "claimed",
      unproven: expect.stringMatching(/no known root answers for/),
    });
  });

  it("asks without a proof where the TPM can give none", async () => {
    const authority = await RunningAuthority.start({ attestation: { roots } });
    const root = await onboarded(authority);
    const tpm = await SoftwareTpm.start(onTestFinished, "tcp", state);
    tpm.tool("tpm2_changeauth", "-c", "e", "secret");
    const machine = machineIn(tpm);
    expect(await codeOf(ask(authority, root, machine, { attest: true }))).toBe("attestation_unavailable");
    expect(await ask(authority, root, machine)).toMatchObject({ status: "pending", attestation: "none" });
  });

  it("stays claimed by what was said before", async () => {
    const authority = await RunningAuthority.start({ attestation: { roots } });
    const root = await onboarded(authority);
    const machine = await machineInGood();
    const bodies: { attestation?: object }[] = [];
    const recording: typeof fetch = (url, init) => {
      const body = JSON.parse(String(init?.body));
      if (bodies[0] !== undefined && body.request !== undefined) body.attestation = bodies[0].attestation;
      else if (body.request !== undefined) bodies.push(body);
      return fetch(url, { ...init, body: JSON.stringify(body) });
    };
    expect(await ask(authority, root, machine, { fetch: recording })).toMatchObject({
      attestation: "proven",
    });
    await cancelEnrollment(machine);
    expect(await ask(authority, root, machine, { fetch: recording })).toMatchObject({
      attestation: "claimed",
      unproven: expect.stringMatching(/used before/),
    });
  });
});

describe("a key outside of a TPM", () => {
  it("asks without a word of it, and cannot be made to prove what it cannot", async () => {
    const authority = await RunningAuthority.start({ attestation: { roots } });
    const root = await onboarded(authority);
    const machine = newMachine();
    expect(await codeOf(ask(authority, root, machine, { attest: true }))).toBe("attestation_unavailable");
    expect(await ask(authority, root, machine)).toMatchObject({ attestation: "none", resumed: false });
  });
});

describe("an authority that requires a proof", () => {
  it("approves only keys that are proven, also by invitations, and lets none go over to another kind", async () => {
    const authority = await RunningAuthority.start({ attestation: { roots, require: true } });
    const root = await onboarded(authority);
    const { invitation } = await createInvitation({
      ...root,
      scopes: { orders: "rw" },
      uses: 2,
      autoApprove: true,
    });
    const unproven = await ask(authority, root, machineIn(plain), { passcode: invitation, deviceName: "no" });
    expect(unproven).toMatchObject({ status: "pending", attestation: "claimed" });
    expect(await codeOf(approveEnrollment({ ...root, id: unproven.id }))).toBe("attestation_required");

    const machine = await machineInGood();
    const proven = await ask(authority, root, machine, { passcode: invitation });
    expect(proven).toMatchObject({ status: "approved", attestation: "proven" });
    const { env } = newMachine();
    const leaving = { ...machine, env: { ...env, ...machine.env }, attest: false };
    expect(await codeOf(rotateKey(leaving))).toBe("attestation_required");
    await rotateKey({ ...leaving, attest: undefined });
    expect(await showEnrollment(machine)).toMatchObject({ attestation: "proven" });
  });
});
