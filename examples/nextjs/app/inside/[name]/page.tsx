import { callerOf } from "@authmesh/sdk/next";
import { headers } from "next/headers";

/** Behind proxy.ts, which verified the request and wrote who called. */
export default async function Page({ params }: { params: Promise<{ name: string }> }) {
  const caller = callerOf(await headers());
  const { name } = await params;
  return (
    <p>
      {name} for {caller?.friendlyName ?? "nobody"}
    </p>
  );
}
