/** `vmemd load`: a dump that was edited, cut off or made up is held against itself line by line. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { exitCode } from '../../src/exit-code.ts';
import { at64, edited, engineOf, mixedEngine, textOf, type Line } from './edited-dump.ts';
import { fill, reportOf, run } from './shell.ts';

vi.setConfig({ testTimeout: 60_000 });

let folder: string;
let loaded: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'vmemd-load-'));
  loaded = join(folder, 'loaded');
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('a dump that is not one', () => {
  async function refused(input: string | Buffer, message: RegExp, ...flags: string[]) {
    const { code, errors, output } = await run(['load', '--data', loaded, ...flags], { input });
    expect(errors).toMatch(message);
    expect({ code, output }).toEqual({ code: exitCode.dumpRefused, output: '' });
    expect(existsSync(loaded)).toBe(false);
  }

  test('is refused', async () => {
    await refused('', /There is nothing in the dump/);
    await refused('hello\n', /Line 1: must be one JSON object/);
    await refused('[]\n', /Line 1: \/type must be one of dump, lease, arena/);
    await refused('{"type":"span"}\n', /Line 1: /);
    await refused(Buffer.from([0x7b, 0xff, 0xfe, 0x0a]), /Line 1, .* is not UTF-8/);
    await refused(Buffer.alloc(3_000_000, 'x'), /Line 1 is longer than any line/);
    await refused('{"type":"dump","version":2,"revision":1}\n', /\/version must be 1.*another/);
  });

  test('is refused wherever it is cut off', async () => {
    const text = textOf(mixedEngine());
    const lines = text.split('\n').slice(0, -1);
    for (let kept = 1; kept < lines.length; kept += 1) {
      const cut = lines.slice(0, kept).join('\n');
      await expect(engineOf(cut), `${kept} lines`).rejects.toThrow(/cut off/);
    }
    await refused(text.slice(0, text.length / 2), /Line [0-9]+: must be one JSON object/);
    const less = lines.toSpliced(8, 1).join('\n');
    await refused(less, /./);
  });

  test('is refused when it is not the state that it says', async () => {
    const changed = edited((lines, at) => {
      lines[at(['owner', 'node "17"'])]!['owner'] = 'node-18';
    });
    await refused(changed, /The state is [0-9a-f]{64}, but line 1 says .*--edited/);
    const without = edited((lines) => delete lines[0]!['stateHash']);
    await refused(without, /Line 1 has no stateHash .*--edited/);
    for (const input of [changed, without]) {
      const report = await reportOf(['load', '--data', loaded, '--edited'], { input });
      expect(report['stateHash']).toMatch(/^[0-9a-f]{64}$/);
      rmSync(loaded, { recursive: true });
    }
  });

  test('is not read while there is data', async () => {
    await fill(loaded);
    const files = readdirSync(loaded);
    const words = ['load', '--data', loaded];
    const { code, errors } = await run(words, { input: textOf(mixedEngine()) });
    expect({ code, errors }).toMatchObject({
      code: exitCode.dataUnusable,
      errors: expect.stringMatching(/has data in it already: vmemd\.db/),
    });
    expect(readdirSync(loaded)).toEqual(files);
  });

  test('that is not there is named', async () => {
    const words = ['load', '--data', loaded, '--from', join(folder, 'none')];
    expect(await run(words)).toMatchObject({
      code: exitCode.dataUnusable,
      errors: expect.stringMatching(/none cannot be used: ENOENT/),
    });
    expect(existsSync(loaded)).toBe(false);
  });

  test('has each fault named with its line and field', async () => {
    type Change = Parameters<typeof edited>[0];
    const inPods: [string, unknown][] = [
      ['type', 'allocation'],
      ['arena', 'pods'],
    ];
    const first = (lines: Line[], at: Parameters<Change>[1]) => lines[at(...inPods)]!;
    const small: [string, unknown] = ['arena', 'pods.small'];
    const faults: [string, RegExp, Change][] = [
      ['an unknown field', /\/colour/, (lines, at) => (first(lines, at)['colour'] = 'red')],
      ['a missing field', /\/size is missing/, (lines, at) => delete first(lines, at)['size']],
      ['a bad label', /label/, (lines, at) => (first(lines, at)['labels'] = { '': 'x' })],
      ['a bad time', /\/createdAt/, (lines, at) => (first(lines, at)['createdAt'] = 'noon')],
      ['a wrong end', /\/end does not/, (lines, at) => (first(lines, at)['end'] = '10.0.0.64')],
      ['a wrong cidr', /\/cidr does/, (lines, at) => (first(lines, at)['cidr'] = '10.0.0.0/8')],
      ['an address', /\/address is IPv6/, (lines, at) => (first(lines, at)['address'] = '::1')],
      [
        'an unknown arena',
        /\/arena there is no arena nope/,
        (lines, at) => (first(lines, at)['arena'] = 'nope'),
      ],
      [
        'a line of another arena',
        /\/arena the lines of pods ended/,
        (lines, at) => lines.splice(at(['type', 'slab']), 0, lines[at(...inPods)]!),
      ],
      [
        'a young allocation',
        /\/revision must be at most that of arena pods/,
        (lines, at) => (first(lines, at)['revision'] = 10_000),
      ],
      [
        'a young arena',
        /\/revision must be at most that of the dump/,
        (lines, at) => (lines[at(['name', 'pods'])]!['revision'] = 10_000),
      ],
      [
        'an overlap',
        /\/address overlaps the range on the line before/,
        (lines, at) => lines.splice(at(...inPods) + 1, 0, at64(first(lines, at), '10.0.0.32')),
      ],
      [
        'the same twice',
        /\/address must be above .*: sort the lines by address/,
        (lines, at) => lines.splice(at(...inPods), 0, first(lines, at)),
      ],
      [
        'no order',
        /sort the lines by address/,
        (lines, at) => {
          const [line] = lines.splice(at(...inPods), 1);
          lines.splice(at(...inPods) + 1, 0, line!);
        },
      ],
      [
        'an allocation outside of spans',
        /\/address lies outside of the spans/,
        (lines, at) => lines.splice(at(...inPods), 0, at64(first(lines, at), '9.0.0.0')),
      ],
      [
        'an allocation beyond its span',
        /\/size reaches beyond the span/,
        (lines) => {
          const last = lines.findLastIndex((line) => inPods.every(([k, v]) => line[k] === v));
          lines.splice(last + 1, 0, at64(lines[last]!, '11.0.0.255'));
          lines.splice(last, 1);
        },
      ],
      [
        'an address between quanta',
        /\/address must be a multiple of the quantum, 4096/,
        (lines, at) => {
          const line = lines[at(['type', 'allocation'], ['arena', 'gpu'])]!;
          Object.assign(line, { address: '0x8000000000000001', end: '0x8000000000002000' });
        },
      ],
      [
        'a size of no quantum',
        /\/size must be a positive multiple of the quantum, 4096/,
        (lines, at) => {
          const line = lines[at(['type', 'allocation'], ['arena', 'gpu'])]!;
          Object.assign(line, { size: '1' });
          delete line['end'];
        },
      ],
      [
        'a piece of another size',
        /\/size must be 3, the size of a piece of the slab at 10\.0\.2\.0/,
        (lines, at) => {
          const line = lines[at(['type', 'allocation'], small)]!;
          Object.assign(line, { size: '2', end: '10.0.2.1' });
        },
      ],
      [
        'an allocation inside a piece',
        /\/address lies inside a piece of a slab, .* 3 from 10\.0\.2\.0/,
        (lines, at) => {
          const line = lines[at(['type', 'allocation'], small)]!;
          Object.assign(line, { address: '10.0.2.1', size: '1', end: '10.0.2.1' });
        },
      ],
      [
        'an empty slab',
        /the slab at 10\.0\.2\.0 has no piece in use: leave its line out/,
        (lines, at) => {
          for (let left = 5; left > 0; left -= 1) {
            lines.splice(at(['type', 'allocation'], small), 1);
          }
        },
      ],
      [
        'a slab of another size',
        /\/pieceSize is not a size/,
        (lines, at) => (lines[at(['type', 'slab'])]!['pieceSize'] = '5'),
      ],
      [
        'a slab of an arena without caches',
        /a slab needs a quantum cache/,
        (lines, at) => {
          const slab = {
            type: 'slab',
            arena: 'gpu',
            base: '0x8000000000000000',
            pieceSize: '4096',
          };
          lines.splice(at(['type', 'span'], ['arena', 'gpu']) + 1, 0, slab);
        },
      ],
      [
        'a slab outside of spans',
        /\/base a slab lies in a span/,
        (lines, at) => (lines[at(['type', 'slab'])]!['base'] = '10.2.0.0'),
      ],
      [
        'an overlap of spans',
        /\/base overlaps the span before/,
        (lines, at) => {
          const span = at(['type', 'span'], ['base', '10.0.0.0']);
          lines.splice(span, 0, { ...lines[span]! });
        },
      ],
      [
        'a span between quanta',
        /\/size the size must be a positive multiple/,
        (lines, at) => {
          const line = lines[at(['type', 'span'], ['arena', 'gpu'])]!;
          Object.assign(line, { size: '4097' });
          delete line['end'];
        },
      ],
      [
        'a busy span that says since when it is free',
        /the span of pods\.small at 10\.0\.2\.0 has allocations, or ranges that rest: leave/,
        (lines, at) => (lines[at(['type', 'span'], small)]!['idleSince'] = 1),
      ],
      [
        'a free span that does not',
        /the span of pods\.small at .* is imported and wholly free: say since when/,
        (lines, at) => {
          for (;;) {
            const index = lines.findLastIndex((line) => line['arena'] === 'pods.small');
            if (lines[index]!['type'] === 'span') break;
            lines.splice(index, 1);
          }
          lines.splice(at(['type', 'span'], small) + 2, 0, {
            type: 'gaps',
            arena: 'pods.small',
            addresses: lines.filter((line) => line['kind'] === 'imported').map(({ base }) => base),
          });
        },
      ],
      [
        'an imported span that nobody gave',
        /\/base an imported span needs an allocation of pods .* pods\.small/,
        (lines, at) => delete lines[at(['importedBy', 'pods.small'])]!['importedBy'],
      ],
      [
        'an import that nobody has',
        /allocation of pods on line [0-9]+ is importedBy gpu, which has no such span/,
        (lines, at) => (first(lines, at)['importedBy'] = 'gpu'),
      ],
      [
        'a static span of what could be imported',
        /\/base overlaps a span of an arena that this one could import from/,
        (lines, at) => {
          const line = lines[at(['type', 'span'], small)]!;
          line['kind'] = 'static';
          delete line['from'];
        },
      ],
      [
        'a source that comes later',
        /\/source there is no arena gpu on an earlier line/,
        (lines, at) => (lines[at(['name', 'pods.small'])]!['source'] = 'gpu'),
      ],
      [
        'an arena twice',
        /\/name an arena pods is on an earlier line/,
        (lines, at) => (lines[at(['name', 'gpu'])]!['name'] = 'pods'),
      ],
      [
        'a quantum that is no power of two',
        /\/quantum must be a power of two/,
        (lines, at) => (lines[at(['name', 'gpu'])]!['quantum'] = '3'),
      ],
      [
        'a width that does not suit',
        /\/width must be 32 with the ipv4 notation/,
        (lines, at) => (lines[at(['name', 'pods'])]!['width'] = 64),
      ],
      [
        'a gap that is none',
        /\/addresses\/0 is not where a free segment begins/,
        (lines, at) => (lines[at(['type', 'gaps'])]!['addresses'][0] = '10.0.0.1'),
      ],
      [
        'a gap twice',
        /\/addresses\/1 is in the list of gaps already/,
        (lines, at) => {
          const { addresses } = lines[at(['type', 'gaps'])]!;
          addresses[1] = addresses[0];
        },
      ],
      [
        'a gap that is missing',
        /the gaps of arena pods lack the free segment at /,
        (lines, at) => lines[at(['type', 'gaps'])]!['addresses'].pop(),
      ],
      [
        'a span after allocations',
        /\/type a span comes before the slabs, allocations and gaps/,
        (lines, at) => lines.splice(at(...inPods) + 1, 0, lines[at(['type', 'span'])]!),
      ],
      [
        'an allocation after gaps',
        /\/type an allocation comes before the gaps/,
        (lines, at) =>
          lines.splice(
            at(['type', 'gaps']),
            0,
            lines.splice(at(['type', 'gaps']), 1)[0]!,
            first(lines, at),
          ),
      ],
      [
        'leases out of order',
        /\/id the leases are not in order of id/,
        (lines, at) => lines.push(...lines.splice(at(['type', 'lease']), 1, lines[2]!)),
      ],
      [
        'a lease behind arenas',
        /\/type a lease comes before the arenas/,
        (lines, at) => lines.splice(at(['type', 'span']), 0, lines[at(['type', 'lease'])]!),
      ],
      [
        'a lease of no time',
        /\/ttlSeconds must be an integer from 1/,
        (lines, at) => (lines[at(['type', 'lease'])]!['ttlSeconds'] = 0),
      ],
      [
        'a young lease',
        /\/revision must be at most that of the dump/,
        (lines, at) => (lines[at(['type', 'lease'])]!['revision'] = 10_000),
      ],
      [
        'a lease that is not there',
        /\/lease there is no lease 00000000/,
        (lines, at) => {
          first(lines, at)['lease'] = '00000000-0000-4000-8000-00000000000a';
        },
      ],
      [
        'a lease of what is imported',
        /\/lease must be left out/,
        (lines, at) => {
          const held = lines.findIndex(({ importedBy }) => importedBy !== undefined);
          lines[held]!['lease'] = lines[at(['type', 'lease'])]!['id'];
        },
      ],
      [
        'a lease that should have ended',
        /the lease on line 4 ends when it is empty, and holds nothing/,
        (lines, at) => {
          const made = lines[at(['endsWhenEmpty', true])]!['id'];
          for (const line of lines) if (line['lease'] === made) delete line['lease'];
        },
      ],
      [
        'an external id twice',
        /\/externalId is that of an allocation on an earlier line/,
        (lines, at) => {
          const { externalId, arena } = lines.find((line) => 'externalId' in line)!;
          lines[at(['type', 'allocation'], ['arena', arena])]!['externalId'] = externalId;
        },
      ],
      ['two dumps', /\/type must not be dump again/, (lines) => lines.splice(1, 0, lines[0]!)],
      ['something after the end', /comes after the end/, (lines) => lines.push(lines[1]!)],
      ['a wrong count', /\/lines says 3 lines/, (lines) => (lines.at(-1)!['lines'] = 3)],
    ];
    for (const [name, message, change] of faults) {
      const failure = await engineOf(edited(change)).then(
        () => 'it was taken',
        (error: Error) => error.message,
      );
      expect(failure, name).toMatch(/^Line [0-9]+: /);
      expect(failure, name).toMatch(message);
    }
  });
});

describe('an edited dump', () => {
  test('may have more and less allocated, and other things said of it', async () => {
    const text = edited((lines, at) => {
      const gone = at(['type', 'allocation'], ['arena', 'pods']);
      lines.splice(gone, 1);
      const last = lines.findLastIndex((line) => line['arena'] === 'pods' && 'address' in line);
      lines[last - 1]!['owner'] = 'someone';
      lines[last] = {
        ...at64(lines[last]!, '11.0.0.224'),
        size: 32,
        createdAt: '2020-02-02T02:02:02Z',
        labels: { new: 'yes' },
      };
    });
    writeFileSync(join(folder, 'edited.ndjson'), text);
    const words = ['load', '--data', loaded, '--from', join(folder, 'edited.ndjson')];
    expect((await run(words)).code).toBe(exitCode.dumpRefused);
    await reportOf([...words, '--edited']);
    const engine = await engineOf((await run(['dump', '--data', loaded])).output);
    expect(engine.check('pods').problems).toEqual([]);
    expect(engine.allocation('pods', 0x0b0000e0n)).toMatchObject({
      size: 32n,
      labels: { new: 'yes' },
      createdAt: Date.parse('2020-02-02T02:02:02Z'),
    });
    const before = mixedEngine().arena('pods')!;
    expect(engine.arena('pods')).toMatchObject({ allocated: before.allocated - 128n + 32n });
  });

  test('may be written by hand, with nothing that follows from the rest', async () => {
    const common = { labels: {}, createdAt: '2026-01-31T12:00:00Z', revision: 1 };
    const arena = { name: 'ports', notation: 'decimal', width: 32, quantum: 1, policy: 'bestfit' };
    const settings = { largeImport: false, keepSpans: 0, releaseAfterSeconds: 0 };
    const lines = [
      { type: 'dump', version: 1, revision: 1 },
      { type: 'arena', ...arena, ...settings, quantumCacheMax: 0, ...common },
      { type: 'span', arena: 'ports', base: 30_000, size: 1000, kind: 'static', revision: 1 },
      { type: 'allocation', arena: 'ports', address: 30_080, size: 1, owner: 'web', ...common },
      { type: 'end', lines: 0 },
    ];
    const text = lines.map((line) => JSON.stringify(line)).join('\n');
    const engine = await engineOf(text, true);
    expect(engine.arena('ports')).toMatchObject({ size: 1000n, allocated: 1n, holes: 2 });
  });
});
