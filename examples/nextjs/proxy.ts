import { callerHeaders, protect } from "@authmesh/sdk/next";
import { NextResponse } from "next/server";
import { options } from "./verify-options";

// Everything below /inside needs a proof. Route handlers elsewhere verify by themselves.
export const proxy = protect(
  (request) => NextResponse.next({ request: { headers: callerHeaders(request) } }),
  options,
);

export const config = { matcher: "/inside/:path*" };
