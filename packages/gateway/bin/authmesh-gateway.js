#!/usr/bin/env node
import { runGateway } from "../dist/index.js";

process.exit(await runGateway(process.argv.slice(2)));
