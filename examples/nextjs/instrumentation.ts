// From the server's start on, bodies are hashed as they come in, so that the body parser of pages/api may run first.
export async function register() {
  if (process.env.NEXT_RUNTIME === "nodejs") (await import("@authmesh/sdk/next")).register();
}
