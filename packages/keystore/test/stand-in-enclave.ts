import { randomBytes } from "node:crypto";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const serve = new URL("processes/enclave-helper.js", import.meta.url).href;

/** An Enclave of its own, and programs that speak to it as the helper does on a Mac, or that fail to. */
export class StandInEnclave {
  readonly folder = mkdtempSync(join(tmpdir(), "amesh-enclave-"));
  readonly env: { readonly AMESH_SECURE_ENCLAVE_HELPER: string };

  /** @param ended is given what removes it: `onTestFinished` */
  constructor(ended: (remove: () => void) => void) {
    ended(() => rmSync(this.folder, { recursive: true, force: true }));
    this.erase();
    this.env = this.helper();
  }

  /** Whatever was made before is lost. */
  erase(): void {
    writeFileSync(join(this.folder, "enclave"), randomBytes(32));
  }

  /** @param twist source of a function that changes an answer before it is given: `(answer, request) => answer` */
  helper(twist = "undefined"): { AMESH_SECURE_ENCLAVE_HELPER: string } {
    const enclave = JSON.stringify(join(this.folder, "enclave"));
    const call = `import(${JSON.stringify(serve)}).then(({ serve, withHighS }) => serve(${enclave}, ${twist}));`;
    return this.program(`#!${process.execPath}\n${call}\n`);
  }

  /** A program that gives one answer, whatever it is asked. */
  saying(answer: unknown): { AMESH_SECURE_ENCLAVE_HELPER: string } {
    return this.program(`#!/bin/sh\nexec cat <<'END'\n${JSON.stringify(answer)}\nEND\n`);
  }

  /** Another program in the place of the helper. */
  program(source: string, mode = 0o700): { AMESH_SECURE_ENCLAVE_HELPER: string } {
    const path = join(this.folder, `helper-${randomBytes(4).toString("hex")}`);
    writeFileSync(path, source);
    chmodSync(path, mode);
    return { AMESH_SECURE_ENCLAVE_HELPER: path };
  }
}
