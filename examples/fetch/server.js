// Node.js has no server for such handlers of its own; `bun handler.js` and `deno serve handler.js` need no such file.
import { serve } from "@hono/node-server";
import handler from "./handler.js";

serve(handler, () => console.log(`listening on port ${handler.port}`));
