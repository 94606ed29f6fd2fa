import type { CommandName } from "./flags.js";
import { flagRows } from "./flags.js";

interface CommandHelp {
  /** What stands behind the name of the program. */
  readonly usage: readonly string[];
  readonly about: string;
  readonly examples: readonly string[];
  readonly more?: string;
}

const configuration = `FILE is the configuration, in YAML or JSON; AMESH_GATEWAY_CONFIG is taken where none
is named. Without one the flags are the configuration: one service, every path.`;

const environment = `
Environment:
  HOST, PORT              used where neither flag nor file says
  AMESH_GATEWAY_CONFIG    the configuration
  AMESH_AUDIENCE          used where no audience is named
  AMESH_REDIS_URL, AMESH_REDIS_URL_FILE
                          redis://…, or a file with that
  AUTH_MESH_DIR, AUTH_MESH_PASSPHRASE, AMESH_PASSPHRASE_FILE
                          the identity, and the passphrase of its key file
`;

const running = `
SIGHUP has the configuration read again, which also happens when the file changes.
SIGTERM and SIGINT finish the requests under way; a second signal exits at once.

Exit status: 0 stopped by a signal, 1 cannot listen, 2 usage or configuration.
`;

const helps: Readonly<Record<CommandName, CommandHelp>> = {
  serve: {
    usage: ["[FILE] [options]", "--upstream URL [options]", "check | schema | authz [options]"],
    about: `Runs a reverse proxy that lets through whom amesh verified, and tells the service
behind who called in headers X-AuthMesh-…

${configuration}`,
    examples: ["--upstream http://127.0.0.1:8080 --audience api.example.com", "gateway.yaml"],
    more: `${environment}${running}`,
  },
  check: {
    usage: ["[FILE] [options]"],
    about: `Names everything that is wrong with a configuration, or shows its routes in the
order in which they are chosen.

${configuration}`,
    examples: ["gateway.yaml"],
    more: "\nExit status: 0 it can be used, 2 it cannot.\n",
  },
  schema: {
    usage: [""],
    about: "Prints the JSON Schema of a configuration.",
    examples: ["> gateway-1.json"],
  },
  authz: {
    usage: ["--proxy NAME [FILE] [options]"],
    about: `Answers a proxy that asks about each of its requests: nginx auth_request, Caddy
forward_auth, Traefik ForwardAuth, Envoy ext_authz. Nobody but the proxy may reach it.

${configuration}`,
    examples: ["--proxy nginx --audience api.example.com"],
    more: `${environment}${running}`,
  },
};

/** @param program how the person called it */
export function helpText(program: string, command: CommandName): string {
  const { usage, about, examples, more = "" } = helps[command];
  const called = command === "serve" ? program : `${program} ${command}`;
  const rows = flagRows
    .filter(([, flag]) => flag.for.includes(command))
    .map(([name, { value, many, about }]) => [
      value === undefined ? `--${name}` : `--${name} ${value}`,
      many ? `${about}; may be repeated` : about,
    ]);
  const options = [...rows, ["-h, --help", "print this text"]];
  return `${usage.map((line, i) => `${i === 0 ? "Usage:" : "      "} ${called} ${line}`.trimEnd()).join("\n")}

${about}

Options:
${options.map(([term = "", meaning]) => `  ${term.padEnd(24)}${meaning}`).join("\n")}
${more}
Examples:
${examples.map((example) => `  ${called} ${example}`).join("\n")}
`;
}
