/** An authority in a process of its own (roles.ts): one device may mint what it likes. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createAuthority } from "@authmesh/authority";
import { PublicKey } from "@authmesh/core";
import { addDevice } from "@authmesh/keystore";
import { freePort } from "../test/fixtures/free-port.js";
import { optionsIn, temporaryFolder } from "./enrolling-authority.js";
import { play } from "./roles.js";

const rule = { name: "all", caller: "**", subject: "**", audience: "**", action: "**" };

await play({
  /** Given the device's key in base64. */
  async authority(key) {
    const dir = temporaryFolder();
    const port = await freePort();
    writeFileSync(join(dir, "policy.yaml"), JSON.stringify({ version: 1, mint: [rule] }));
    const authority = await createAuthority(optionsIn(dir, port));
    await authority.state.devices.update((draft) =>
      addDevice(draft, {
        publicKey: PublicKey.fromBase64(key),
        friendlyName: "till 1",
        role: "controller",
        status: "active",
        addedBy: "manual",
        bound: true,
        now: 0,
      }),
    );
    await authority.listen();
    return port;
  },
});
