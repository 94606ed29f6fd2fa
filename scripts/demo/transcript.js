/** What the demo prints, and whether all of it was as it should be. */

export class Transcript {
  failures = 0;
  #started = performance.now();

  say(text = "") {
    console.log(text);
  }

  heading(text) {
    this.say(`\n── ${text} ${"─".repeat(Math.max(2, 76 - text.length))}\n`);
  }

  /** A command on a machine and what it printed. */
  shell(machine, command, output) {
    this.say(`  ${machine}$ ${command}`);
    for (const line of output.split("\n").filter((text) => text.trim() !== ""))
      this.say(`    ${line.trim()}`);
  }

  /** One attempt, what came of it, and whether that is right. */
  outcome(what, came, right) {
    if (!right) this.failures++;
    this.say(`  ${right ? "OK  " : "FAIL"}  ${what.padEnd(56)} ${came}`);
  }

  end() {
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(1);
    if (this.failures === 0)
      this.say(`\nAll as it should be, in ${seconds} s. Next: docs/guide/getting-started.md`);
    else this.say(`\n${this.failures} not as it should be.`);
    return this.failures === 0 ? 0 : 1;
  }
}
