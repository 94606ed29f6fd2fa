import { AmeshError, describeNetworkFailure } from "@authmesh/core";
import { authorityEnvironment, dirOption, openAuthority } from "../authority/open-authority.js";
import { keyStoreEnvironment } from "../key-store-environment.js";
import { fields, formatDate } from "../layout.js";
import { unixSeconds } from "../time.js";
import type { Verb } from "../verb.js";

const timeoutMs = 5000;

export const verb: Verb = {
  manual: {
    description: [
      "Says how an authority stands: whether it answers and is ready, its signing key, the key of its trust feeds, which verifiers pin, how many devices it knows, and where its state is.",
    ],
    options: [
      dirOption,
      { flags: "--url URL", about: "where it answers (AMESH_AUTHORITY_URL; default http://localhost:4000)" },
    ],
    environment: [
      ["AMESH_AUTHORITY_URL", "used where --url is not given"],
      ...authorityEnvironment,
      ...keyStoreEnvironment,
    ],
    examples: [["amesh authority status --dir /var/lib/amesh --json", "for scripts"]],
    exit: [
      ["0", "it answers and is ready"],
      ["4", "there is no authority in the folder"],
      ["5", "it does not answer, is not ready, or its database cannot be reached"],
    ],
  },

  async run(call) {
    const { terminal } = call;
    const state = await openAuthority(call);
    const { dir, store, devices, feedKeys } = state;
    const url = call.text("url") ?? (process.env["AMESH_AUTHORITY_URL"] || "http://localhost:4000");
    const readiness = await askReadiness(url);
    const active = (await store.readKeys()).find(({ state }) => state === "active");
    const { length } = devices.state.devices;
    await state.close();
    const { DATABASE_URL, DATABASE_URL_FILE } = process.env;
    const key =
      active === undefined
        ? "none yet: `amesh authority serve` makes it"
        : `${active.kid} (${active.publicJwk.alg}), signing since ${formatDate(active.since)}`;
    const age = active === undefined ? null : unixSeconds() - active.since;
    terminal.answer(
      {
        dir,
        url,
        ready: readiness === "ready",
        readiness,
        key: active?.kid ?? null,
        keyAgeSeconds: age,
        feedKey: feedKeys.thumbprint ?? null,
        devices: length,
      },
      () =>
        fields([
          ["Answers", `${url}: ${readiness}`],
          ["Signing key", key],
          ["Feed key", feedKeys.thumbprint ?? "none yet: `amesh authority serve` makes it"],
          ["Devices", String(length)],
          ["Folder", dir],
          ["State", DATABASE_URL || DATABASE_URL_FILE ? "PostgreSQL" : "in the folder"],
        ]),
    );
    return readiness === "ready" ? undefined : 5;
  },
};

async function askReadiness(url: string): Promise<string> {
  try {
    const { status } = await fetch(new URL("/ready", url), { signal: AbortSignal.timeout(timeoutMs) });
    return status === 200 ? "ready" : `not ready (${status})`;
  } catch (error) {
    const reason = describeNetworkFailure(error);
    if (reason === undefined) throw new AmeshError("invalid_option", "--url is not a URL.", { cause: error });
    return `it cannot be reached: ${reason}`;
  }
}
