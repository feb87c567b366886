/**
 * Node's HTTP. An `import` would load whatever the module names, its client for WebSockets included:
 * that takes longer than all the rest of it, with every start and every run of a tool.
 */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

export const http = require('node:http') as typeof import('node:http');
