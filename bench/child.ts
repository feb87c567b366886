/**
 * The process that measures one row and ends, so that what the compiler has learned from one row
 * never shapes another. The row comes as the one argument, in JSON; the figures go to the standard
 * output, in JSON.
 */
import '../src/v8.ts';
import { measureGrowth } from './growth.ts';
import { measure } from './measure.ts';
import type { Row } from './row.ts';

const row = JSON.parse(process.argv[2] ?? '') as Row;
const { workload } = row;
const figures = workload === 'growth' ? measureGrowth(row) : measure({ ...row, workload });
process.stdout.write(JSON.stringify(figures));
