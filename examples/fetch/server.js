// Node.js has no server for such handlers of its own; Bun and Deno (`deno serve`) need no such file.
import { serve } from "@hono/node-server";
import handler from "./handler.js";

serve(handler, () => console.log(`listening on port ${handler.port}`));
