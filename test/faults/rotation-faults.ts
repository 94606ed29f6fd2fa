import { createSuccession } from "@authmesh/core";
import { authorityEnv } from "../../packages/authority/test/authority-process.js";
import { type Enrolled, post } from "../../packages/authority/test/enrollment/account.js";
import { Device } from "../../packages/authority/test/running-authority.js";
import { Program } from "../../scripts/machines.js";
import type { Environment } from "./environment.js";
import type { Fault } from "./fault.js";
import { HeldConnection } from "./held-connection.js";
import { amesh, dirOf } from "./launches.js";
import { signedBy } from "./proof.js";
import { Lines, send } from "./send.js";
import { type Stage, targets } from "./stage.js";

/** What an operator does on the authority's machine, while it serves. */
const operated = (name: string, ...words: readonly string[]): Fault => ({
  ...unnoticed,
  name,
  async begin({ scene }: Stage) {
    const env = { ...authorityEnv, HOME: scene.folder, DATABASE_URL: scene.database };
    const program = new Program([amesh, ...words, "--dir", dirOf(scene)], { env });
    const status = await program.ended;
    if (status !== 0)
      throw new Error(`${words.join(" ")} ended with ${status}:\n${program.errors.join("\n")}`);
  },
});

/** Nobody is away, nothing is late, and no answer is another one. */
const unnoticed = {
  disturbs: [],
  degrades: [],
  recoverySeconds: 5,
  end: async () => {},
} as const;

const rotations = 5;

/** In which the feed has told a new key, and that the old one is over. */
const pushMs = 1_000;

/** An enrolled machine that changes its key again and again, and is served everywhere under each, and under none before. */
const newIdentities: Fault = {
  ...unnoticed,
  name: `a caller rotates its key ${rotations} times`,
  async begin(stage) {
    const { account } = stage;
    let { device } = await account.enrolled();
    for (let i = 0; i < rotations; i++) {
      const next = new Device();
      await goOver(stage, device, next);
      await isAnswered(stage, next, undefined);
      await isAnswered(stage, device, "unauthorized");
      device = next;
    }
  },
};

/** Asks all that let callers in, until they answer so. @param code why they refuse; undefined if they do not */
async function isAnswered(stage: Stage, device: Device, code: string | undefined): Promise<void> {
  const lines = new Lines(stage.scene.certificate?.ca);
  const limit = performance.now() + pushMs;
  for (;;) {
    const asked = targets.map(async (name) => send(stage.part(name).url, await signedBy(device), lines));
    const outcomes = await Promise.all(asked);
    if (outcomes.every((outcome) => outcome.code === code)) break;
    if (performance.now() > limit)
      throw new Error(`Instead of ${code ?? "being served"}: ${JSON.stringify(outcomes)}`);
  }
  lines.close();
}

async function goOver({ account }: Stage, device: Enrolled["device"], next: Device): Promise<void> {
  const { publicKey } = device.key;
  const sign = async (message: Parameters<typeof device.key.sign>[0]) => device.key.sign(message);
  const succession = await createSuccession({ publicKey, sign }, next.key.publicKey);
  const answer = await account.answer(next, "rotate", 0);
  const { status } = await post(fetch, `${account.url}/rotation`, { succession, answer });
  if (status !== 200) throw new Error(`The authority does not go over to the new key: ${status}.`);
}

const renewals = 3;

/** The gateway's, as what renews certificates does it. Callers open a connection for each request; one stays open. */
const newCertificates: Fault = {
  ...unnoticed,
  name: `the gateway's certificate is replaced ${renewals} times`,
  async begin(stage) {
    const { certificate } = stage.scene;
    if (certificate === undefined) throw new TypeError("This stage has no certificate.");
    const { url } = stage.part("gateway");
    const held = await HeldConnection.open(url, certificate.ca);
    for (let i = 0; i < renewals; i++) await certificate.presented(url, await certificate.renew());
    held.close();
  },
};

/** Keys are changed while everybody calls. */
export const newKeys: Environment = {
  name: "of keys and certificates that are replaced",
  open: async () => ({
    stage: { tls: true },
    faults: [
      operated("rotation of the authority's signing key", "keys", "rotate", "--force"),
      operated("rotation of the authority's feed key", "authority", "feed-key", "rotate"),
      newIdentities,
      newCertificates,
    ],
  }),
};
