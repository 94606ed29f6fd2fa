/** wrk, with requests that are each good once. */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const connections = 32;

/** What to send, and for how long. */
export interface WrkLoad {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly body: string;
  /** A file with the values of Authorization, one a line. */
  readonly proofs: string;
  /** Whether each of them may be sent again. */
  readonly again: boolean;
  readonly seconds: number;
  /** Requests a second, over all connections. Default: as many as are answered. */
  readonly rate?: number;
}

export interface WrkResult {
  readonly rate: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** What fetch of Node.js sends along. */
const usual = [
  "accept: */*",
  "accept-language: *",
  "sec-fetch-mode: cors",
  "user-agent: node",
  "accept-encoding: gzip, deflate",
]
  .map((line) => `\\r\\n${line}`)
  .join("");

// The delays are drawn, so that the connections do not ask at one time.
const script = `
local proofs, n, head, tail, again, pause = {}, 0, "", "", false, 0
function init(args)
  for line in io.lines(args[1]) do proofs[#proofs + 1] = line end
  local body = io.open(args[2]):read("*a")
  head = args[3] .. " HTTP/1.1\\r\\nHost: " .. args[4] .. "${usual}\\r\\nAuthorization: "
  tail = "\\r\\n\\r\\n"
  if #body > 0 then tail = "\\r\\nContent-Length: " .. #body .. tail .. body end
  again, pause = args[5] == "again", tonumber(args[6])
end
function request()
  n = n + 1
  if n > #proofs then
    if not again then io.stderr:write("too few proofs\\n") os.exit(2) end
    n = 1
  end
  return head .. proofs[n] .. tail
end
if os.getenv("WRK_PAUSES") then
  function delay() return math.random(0, 2 * pause) end
end
function response(status, _, body)
  if status > 299 then io.stderr:write(status .. ": " .. body .. "\\n") os.exit(2) end
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"rate":%f,"p50":%f,"p99":%f,"failed":%d}\\n',
    summary.requests / summary.duration * 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.connect + e.read + e.write + e.timeout + e.status))
end
`;

/** Where it keeps its script, and how it is kept on a core: "taskset", "-c", "0". */
export class Wrk {
  readonly #folder: string;
  readonly #command: readonly string[];

  constructor(folder: string, onCore: readonly string[]) {
    this.#folder = folder;
    this.#command = [...onCore, "wrk"];
    writeFileSync(join(folder, "load.lua"), script);
  }

  /** @throws Error where an answer was none of 2xx or 3xx, or none came */
  async load({ port, method, path, host, body, proofs, again, seconds, rate }: WrkLoad): Promise<WrkResult> {
    const bodyFile = join(this.#folder, "body");
    writeFileSync(bodyFile, body);
    const pause = rate === undefined ? 0 : (connections / rate) * 1000;
    const [program = "", ...before] = this.#command;
    const { stdout } = await run(
      program,
      [
        ...before,
        ...["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s"],
        ...["-s", join(this.#folder, "load.lua")],
        ...[`http://127.0.0.1:${port}`, "--"],
        ...[proofs, bodyFile, `${method} ${path}`, host, again ? "again" : "once", String(Math.round(pause))],
      ],
      { env: { ...process.env, ...(rate === undefined ? {} : { WRK_PAUSES: "1" }) } },
    );
    const [, said = ""] = /\n(\{.*\})\n/.exec(stdout) ?? [];
    const { failed, ...result } = JSON.parse(said) as WrkResult & { failed: number };
    if (failed > 0) throw new Error(`${failed} requests failed:\n${stdout}`);
    return result;
  }
}
