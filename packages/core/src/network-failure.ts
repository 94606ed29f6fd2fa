/**
 * Why a fetch, or the reading of its answer, failed, in a few plain words: "nothing listens there".
 *
 * @returns undefined for an error that is not the network's
 */
export function describeNetworkFailure(error: unknown): string | undefined {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return "no answer in time";
  if (!(error instanceof TypeError && cause !== undefined)) return undefined;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  return code === "" ? message : networkReason(code);
}

/** What Node.js names by a code, in plain words. */
export const networkReason = (code: string): string => reasons[code] ?? code;

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  EPIPE: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  ENOTFOUND: "nobody knows this name",
  EAI_AGAIN: "the name server does not answer",
  ETIMEDOUT: "no answer",
  UND_ERR_CONNECT_TIMEOUT: "no answer",
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
  EPROTO: "it does not speak TLS there, as the URL asks for",
};
