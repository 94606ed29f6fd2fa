/** What stands behind the gateway: it knows nothing of amesh. Its argument is where to listen, in JSON. */
import { createServer } from "node:http";

const { host, port } = JSON.parse(process.argv[2]);
createServer((_, response) => response.end("in")).listen(port, host);
