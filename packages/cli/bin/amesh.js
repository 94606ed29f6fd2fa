#!/usr/bin/env node
import { runAsProgram } from "../dist/main.js";

runAsProgram(process.argv.slice(2));
