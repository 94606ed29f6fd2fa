/** A server that lets in whom an authority's feed vouches for. Its options are the first argument, in JSON. */
import { createServer } from "node:http";
import { protect } from "@authmesh/sdk/node";

const { host, port, ...options } = JSON.parse(process.argv[2]);
const listener = protect((_, response) => response.end("in"), {
  ...options,
  audience: `${host}:${port}`,
});
createServer(listener).listen(port, host, () => console.log("listening"));
