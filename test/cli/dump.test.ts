/**
 * `vmemd dump`, and what `vmemd load` makes of it: any state there and back is the same state, down
 * to what is handed out next.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { changes } from '../../src/engine/event.ts';
import { linesOf } from '../../src/cli/dump.ts';
import { stateHashOf } from '../../src/cli/state-hash.ts';
import { policies } from '../../src/engine/command.ts';
import { Engine } from '../../src/engine/engine.ts';
import { exitCode } from '../../src/exit-code.ts';
import { Model } from '../model/model.ts';
import { nextCommand, tick } from '../model/orders.ts';
import { Random } from '../model/random.ts';
import { judgeOne } from '../model/session.ts';
import { crowdOf, setUp, shapes } from '../model/shape.ts';
import { Store } from '../journal/store.ts';
import { engineOf, mixedEngine, textOf, type Line } from './edited-dump.ts';
import { fill, mixedCommands, reportOf, run } from './shell.ts';

vi.setConfig({ testTimeout: 60_000 });

let folder: string;
let data: string;
let loaded: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-dump-'));
  data = join(folder, 'data');
  loaded = join(folder, 'loaded');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a state there and back', () => {
  test('through files is the same, and leads to the same dump', async () => {
    const { revision, stateHash } = await fill(data, (store) => store.journal.checkpoint());
    const file = join(folder, 'dump.ndjson');
    expect(await run(['dump', '--data', data, '--to', file])).toMatchObject({
      code: 0,
      output: '',
    });
    const text = readFileSync(file, 'utf8');
    expect(JSON.parse(text.split('\n')[0]!)).toMatchObject({ version: 1, revision, stateHash });
    const report = await reportOf(['load', '--from', file, '--data', loaded]);
    const lines = text.split('\n').length - 1;
    expect(report).toEqual({ ok: true, directory: loaded, revision, lines, stateHash });
    expect((await run(['dump', '--data', loaded])).output).toBe(text);
    expect(await reportOf(['verify', '--data', loaded])).toMatchObject({ revision, stateHash });
    const store = await Store.open(loaded);
    await store.grow(1);
    await store.close();
    expect((await run(['verify', '--data', loaded])).code).toBe(exitCode.ok);
  });

  test('through a backup and the standard streams is the same', async () => {
    const { stateHash } = await fill(data);
    const backup = join(folder, 'backup.db');
    await reportOf(['backup', '--data', data, '--to', backup]);
    const { output, code } = await run(['dump', '--from', backup]);
    expect(code).toBe(0);
    const report = await reportOf(['load', '--data', loaded], { input: output });
    expect(report).toMatchObject({ stateHash });
  });

  test.each(shapes)('of the shape %s hands out the same next', async (shape) => {
    for (const [seed, policy] of policies.entries()) {
      const setting = { policy, width: 64, quantum: seed % 2 === 0 ? 1n : 4096n } as const;
      const random = new Random(seed, shape);
      const model = new Model();
      const engine = new Engine();
      const act = (to: Engine, command: Parameters<typeof judgeOne>[2]): void => {
        expect(judgeOne(to, model, command, 'outcome').complaint).toBeUndefined();
      };
      for (const command of setUp(shape, setting, random)) act(engine, command);
      const steps = 120;
      for (let step = 0; step < steps; step += 1) {
        act(engine, nextCommand(model, random, step * tick, crowdOf(shape)));
      }
      const text = textOf(engine);
      const twin = await engineOf(text);
      expect(stateHashOf(twin)).toBe(stateHashOf(engine));
      expect(textOf(twin)).toBe(text);
      for (let step = steps; step < steps + 40; step += 1) {
        const command = nextCommand(model, random, step * tick, crowdOf(shape));
        const outcome = twin.decide(command);
        expect(outcome).toEqual(engine.decide(command));
        act(engine, command);
        if (!('refused' in outcome) && changes(outcome)) twin.apply(outcome, engine.revision);
      }
    }
  });

  test('does not depend on how the text is cut into chunks', async () => {
    const bytes = Buffer.from(textOf(mixedEngine()));
    for (const size of [1, 7, 1000]) {
      const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
        bytes.subarray(index * size, (index + 1) * size),
      );
      const engine = await engineOf(Readable.from(chunks));
      expect(stateHashOf(engine)).toBe(stateHashOf(mixedEngine()));
    }
    const twin = await engineOf(bytes.toString().trimEnd().replaceAll('\n', '\r\n'));
    expect(stateHashOf(twin)).toBe(stateHashOf(mixedEngine()));
  });
});

test('lines look like the objects of the API', () => {
  const lines = [...linesOf(mixedEngine())] as Line[];
  const find = (type: string, arena: string) =>
    lines.find((line) => line['type'] === type && (line['arena'] ?? line['name']) === arena);
  expect(lines[0]).toEqual({
    type: 'dump',
    version: 1,
    revision: mixedCommands.length,
    stateHash: stateHashOf(mixedEngine()),
  });
  expect(lines.at(-1)).toEqual({ type: 'end', lines: lines.length - 1 });
  expect(lines.filter(({ type }) => type === 'lease')).toEqual([
    {
      type: 'lease',
      id: '00000000-0000-4000-8000-000000000000',
      ttlSeconds: 31_536_000,
      owner: 'ü',
      labels: {},
      createdAt: '2026-01-31T12:00:00.000Z',
      revision: expect.any(Number),
    },
    expect.objectContaining({ id: expect.stringMatching(/^1/), ttlSeconds: 60 }),
    expect.objectContaining({ id: expect.stringMatching(/^2/), endsWhenEmpty: true }),
  ]);
  const leased = lines.filter((line) => 'lease' in line);
  expect(leased.map(({ arena, lease }) => [arena, lease[0]])).toEqual([
    ['pods.small', '1'],
    ['gpu', '2'],
    ['gpu', '1'],
  ]);
  expect(find('span', 'pods.small')).toEqual({
    type: 'span',
    arena: 'pods.small',
    base: '10.0.2.0',
    end: '10.0.2.255',
    size: '256',
    cidr: '10.0.2.0/24',
    kind: 'imported',
    from: 'pods',
    revision: expect.any(Number),
  });
  expect(find('allocation', 'pods.small')).toMatchObject({
    address: '10.0.2.0',
    end: '10.0.2.2',
    size: '3',
    labels: { a: 'ü' },
    createdAt: '2026-01-31T12:00:00.000Z',
  });
  expect(find('slab', 'pods.small')).toMatchObject({ base: '10.0.2.0', pieceSize: '3' });
  expect(find('allocation', 'net6')).toMatchObject({ cidr: '2001:db8::/64' });
  expect(find('arena', 'gpu')).toMatchObject({ notation: 'hex', quantum: '4096' });
  expect(find('gaps', 'gpu')).toMatchObject({ addresses: ['0x800000000000c000'] });
  expect(find('arena', 'net6')).toHaveProperty('nextfitFrom');
});
