import { AmeshError } from "@authmesh/core";
import type { Verb } from "../verb.js";

export const verb: Verb = {
  manual: {
    description: [
      "Runs a pairing relay until a signal stops it. A relay introduces two machines that name the same code, hands on what they say and forgets them; it holds no keys and cannot read a pairing. It is needed while machines pair and not afterwards.",
      "Clients connect to /ws; /health, /ready and /metrics answer over HTTP. Logs go to standard error, one JSON object a line. On the internet, put a proxy with TLS in front.",
    ],
    options: [
      { flags: "--host ADDRESS", about: "address to listen on (HOST; default 0.0.0.0, all of IPv4)" },
      { flags: "--port N", about: "port to listen on, 0 for a free one (PORT; default 3001)" },
      { flags: "--trust-proxy N", about: "proxies in front that append to X-Forwarded-For (default 0)" },
      { flags: "--allow-origin ORIGIN", about: "let web pages of this origin in", repeatable: true },
      { flags: "--redis-prefix TEXT", about: "what all keys in Redis begin with (default {amesh-relay}:)" },
      {
        flags: "--limit NAME=N",
        about: "change a limit; `authmesh-relay --help` lists them",
        repeatable: true,
      },
    ],
    environment: [
      ["HOST", "used where --host is not given"],
      ["PORT", "used where --port is not given"],
      [
        "AMESH_RELAY_REDIS_URL",
        "a Redis that instances share, so that they act as one relay (redis:// or rediss://; needs ioredis)",
      ],
      ["AMESH_RELAY_REDIS_URL_FILE", "a file that holds it"],
    ],
    examples: [
      ["amesh relay", "on port 3001"],
      ["amesh relay --host 127.0.0.1 --port 0 --json", "on a free port, for tests"],
      ["curl http://localhost:3001/health", "ask it how it is"],
    ],
    exit: [
      ["0", "stopped by a signal"],
      ["1", "it cannot listen"],
      ["2", "an option cannot be read"],
      ["4", "the package @authmesh/relay, or ioredis for the Redis, is not installed"],
    ],
  },

  async run({ argv }) {
    const { runRelay } = await loadRelay();
    return runRelay(
      argv.filter((argument) => argument !== "--no-input"),
      { command: "amesh relay" },
    );
  },
};

async function loadRelay(): Promise<typeof import("@authmesh/relay")> {
  try {
    return await import("@authmesh/relay");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw cause;
    throw new AmeshError("package_missing", "The relay is a package of its own, and it is not installed.", {
      fix: "npm install --global @authmesh/relay",
      cause,
    });
  }
}
