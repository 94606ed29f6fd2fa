/** Runs a program for what it prints. */
import { execFile } from "node:child_process";

/**
 * @param {string} program @param {string[]} args @param {{ cwd?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>} standard output
 * @throws Error with all that it printed, when it ends with anything but 0
 */
export function output(program, args, { cwd, env } = {}) {
  const command = program === "npm" && process.platform === "win32" ? "npm.cmd" : program;
  const options = { cwd, env: { ...process.env, ...env }, maxBuffer: 1 << 28, timeout: 600_000 };
  return new Promise((resolve, reject) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else
        reject(new Error(`${program} ${args.join(" ")}: ${error.code ?? error.signal}\n${stdout}${stderr}`));
    });
  });
}
