/**
 * Why a fetch, or the reading of its answer, failed, in plain words.
 *
 * @returns undefined for an error that is not the network's
 */
export function describeNetworkFailure(error: unknown): string | undefined {
  const { name, message, cause } = error as Error;
  if (name === "TimeoutError") return "no answer in time";
  if (!(error instanceof TypeError && cause !== undefined)) return undefined;
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? "";
  return reasons[code] ?? (code === "" ? message : code);
}

const reasons: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  ENOTFOUND: "nobody knows this name",
  EAI_AGAIN: "the name server does not answer",
  ETIMEDOUT: "no answer",
  UND_ERR_CONNECT_TIMEOUT: "no answer",
  EHOSTUNREACH: "no way leads there",
  ENETUNREACH: "no way leads there",
  EPROTO: "it does not speak TLS there, which https:// asks for",
};
