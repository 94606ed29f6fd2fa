import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Runs peer.py, or another script beside it that knows docs/protocol.md and none of our code.
 *
 * @param verb its arguments, such as `["--key", file, "call", url]`
 * @param lines JSON, one request each
 * @returns its answers, one for each line
 * @throws Error that says how to install what it needs
 */
export async function askPython<Answer>(
  verb: readonly string[],
  lines: readonly object[] = [],
  script = "peer.py",
): Promise<readonly Answer[]> {
  const running = run("/usr/bin/python3", ["-B", fileURLToPath(new URL(script, import.meta.url)), ...verb], {
    timeout: 60_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  // What does not start reads nothing; why, `running` says.
  running.child.stdin?.on("error", () => {});
  running.child.stdin?.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
  try {
    const { stdout } = await running;
    return stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Answer);
  } catch (cause) {
    if (/ENOENT|No module named 'cryptography'/.test(String(cause))) {
      const mend = "apt-get install python3-cryptography";
      throw new Error(`This test needs /usr/bin/python3 with the module cryptography: ${mend}`, { cause });
    }
    throw cause;
  }
}
