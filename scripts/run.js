/** Runs a program in the project's root with its output shown; resolves to its exit status. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("..", import.meta.url));

export function run(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: "inherit", ...options });
    child.on("error", reject);
    child.on("close", (status, signal) => resolve(signal === null ? status : 1));
  });
}

/** Runs a program and ends this one when it fails. */
export async function mustRun(command, args, options) {
  const status = await run(command, args, options);
  if (status === 0) return;
  console.error(`amesh: error: ${[command, ...args].join(" ")} ended with status ${status}`);
  process.exit(status);
}
