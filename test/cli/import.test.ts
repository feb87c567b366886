/** Import and export of files, by the tools, over real HTTP, of a service in this process. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { exitCode } from '../../src/exit-code.ts';
import { Service } from '../http/service.ts';
import { Random } from '../model/random.ts';
import { run, type Result } from './shell.ts';

let service: Service;
let url: string;
let folder: string;
beforeEach(async () => {
  service = await Service.start();
  url = await service.app.listen({ host: '127.0.0.1', port: 0 });
  folder = mkdtempSync(join(tmpdir(), 'vmemd-import-'));
});
afterEach(async () => {
  await service.stop();
  rmSync(folder, { recursive: true });
});

function file(text: string | Buffer, name = 'rows.csv'): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function importing(text: string | Buffer, ...words: string[]): Promise<Result> {
  return run(['import', '--url', url, '--from', file(text), ...words]);
}

/** The report of an import that has to end with this code. */
async function imported(
  text: string | Buffer,
  words: string[],
  code = 0,
): Promise<Record<string, unknown> & { errors: string }> {
  const result = await importing(text, ...words, '--json');
  expect(result.code, result.errors).toBe(code);
  return { ...(JSON.parse(result.output) as Record<string, unknown>), errors: result.errors };
}

async function exported(...words: string[]): Promise<string> {
  const { code, output, errors } = await run(['export', '--url', url, ...words]);
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  return output;
}

/** What is in an arena, without what differs from time to time. */
async function allocations(arena: string): Promise<Record<string, unknown>[]> {
  const { body } = await service.call('GET', `/v1/arenas/${arena}/allocations?limit=1000`);
  const passing = ['createdAt', 'revision', 'arena'];
  return body.items.map((item: object) =>
    Object.fromEntries(Object.entries(item).filter(([name]) => !passing.includes(name))),
  );
}

async function create(arena: Record<string, unknown>): Promise<void> {
  expect((await service.call('POST', '/v1/arenas', arena)).status).toBe(201);
}

const pods = { name: 'pods', notation: 'ipv4', spans: [{ cidr: '10.0.0.0/16' }] };

describe('CSV', () => {
  const rows = [
    'cidr,address,size,end,prefixLength,owner,site,Rack no',
    '10.0.0.0/24,,,,,node-1,berlin,7',
    ',10.0.1.0,0x10,,,,"Köln, ""Süd""",',
    ',10.0.2.0,,10.0.2.9,,node-2,,""',
    ',10.0.3.0,,,28,,,',
    ',10.0.4.1,,,,,,',
    '10.0.5.0/24,10.0.5.0,256,10.0.5.255,24,,,',
  ].join('\r\n');

  test('of every form of a block, with a byte order mark and ends of lines as on Windows', async () => {
    await create(pods);
    const report = await imported(`\ufeff${rows}\r\n`, ['--arena', 'pods']);
    expect(report).toEqual({
      ok: true,
      rows: 6,
      imported: 6,
      present: 0,
      skipped: 0,
      refused: 0,
      errors: '',
    });
    expect(await allocations('pods')).toEqual([
      {
        address: '10.0.0.0',
        end: '10.0.0.255',
        size: '256',
        cidr: '10.0.0.0/24',
        owner: 'node-1',
        labels: { site: 'berlin', Rack_no: '7' },
      },
      {
        address: '10.0.1.0',
        end: '10.0.1.15',
        size: '16',
        cidr: '10.0.1.0/28',
        labels: { site: 'Köln, "Süd"' },
      },
      {
        address: '10.0.2.0',
        end: '10.0.2.9',
        size: '10',
        owner: 'node-2',
        labels: { Rack_no: '' },
      },
      { address: '10.0.3.0', end: '10.0.3.15', size: '16', cidr: '10.0.3.0/28', labels: {} },
      { address: '10.0.4.1', end: '10.0.4.1', size: '1', cidr: '10.0.4.1/32', labels: {} },
      { address: '10.0.5.0', end: '10.0.5.255', size: '256', cidr: '10.0.5.0/24', labels: {} },
    ]);
  });

  test('a second time changes nothing, and what was corrected is added', async () => {
    await create(pods);
    await imported(rows, ['--arena', 'pods']);
    const revision = service.engine.revision;
    const again = await imported(rows, ['--arena', 'pods']);
    expect(again).toMatchObject({ imported: 0, present: 6, refused: 0 });
    expect(service.engine.revision).toBe(revision);
    const more = `${rows}\n10.0.6.0/24,,,,,,,\n`;
    expect(await imported(more, ['--arena', 'pods'])).toMatchObject({ imported: 1, present: 6 });
  });

  test('refuses what is wrong row by row, with the line and the row, and does the others', async () => {
    await create(pods);
    const text = Buffer.concat([
      Buffer.from(
        [
          'cidr,size,owner,note',
          '10.0.0.0/24,,a,"two',
          'lines"',
          '10.0.1.0/24,256,a,',
          '10.0.1.128/25,,a,',
          '10.0.1.1/24,,a,',
          ',16,a,',
          '10.9.0.0/24,,a,',
          '10.0.2.0/24,,a',
          '10.0.1.0/24,,b,',
          '10.0.3.0/24,100,a,',
          '',
          `10.0.4.0/24,,${'x'.repeat(256)},`,
          '10.0.5.0/24,,a,',
        ].join('\n'),
      ),
      Buffer.from([0xff, 0x0a]),
    ]);
    const { errors, ...report } = await imported(text, ['--arena', 'pods'], exitCode.rowsRefused);
    expect(report).toEqual({
      ok: false,
      message: expect.stringContaining('10 of 11 rows were refused'),
      exitCode: exitCode.rowsRefused,
      rows: 11,
      imported: 1,
      present: 0,
      skipped: 0,
      refused: 10,
    });
    const told = errors.split('\n').filter((line) => line.startsWith('line '));
    const byLine = told.toSorted((a, b) => parseInt(a.slice(5)) - parseInt(b.slice(5)));
    expect(byLine.join('\n')).toBe(
      [
        'line 2: labels.note must have 0 to 255 characters, none of them control characters: ' +
          '10.0.0.0/24,,a,"two',
        'line 5: the range at this address is not free: 10.0.1.128/25,,a,',
        'line 6: cidr has bits set below its prefix; the network is 10.0.1.0/24: 10.0.1.1/24,,a,',
        'line 7: has neither an address nor a cidr: ,16,a,',
        "line 8: no span of 'pods' could hold this block even if it were empty: 10.9.0.0/24,,a,",
        'line 9: has 3 fields, the header has 4: 10.0.2.0/24,,a',
        'line 10: the allocation that is there is of a, not of b: 10.0.1.0/24,,b,',
        'line 11: says two things: 256 from 167772928 on and 100 from 167772928 on: ' +
          '10.0.3.0/24,100,a,',
        'line 13: owner must have 1 to 255 characters, none of them control characters: ' +
          `10.0.4.0/24,,${'x'.repeat(256)},`,
        'line 14: field 4 is not UTF-8: 10.0.5.0/24,,a,\ufffd',
      ].join('\n'),
    );
  });

  test('tells of the header what is wrong with it', async () => {
    await create(pods);
    for (const [text, reason] of [
      ['', 'there is nothing in the file'],
      ['size,owner\n1,a\n', 'there is no column address or cidr, only size, owner'],
      ['address,Address\n', 'address and Address are both the address'],
      ['address,,x\n', 'column 2 has no name'],
      ['address,***\n', '"***" can\'t be the key of a label'],
    ] as const) {
      const { code, errors } = await importing(text, '--arena', 'pods');
      expect({ code, errors }).toEqual({
        code: exitCode.fileRefused,
        errors: expect.stringContaining(reason),
      });
    }
    const utf16 = Buffer.from('\ufeffaddress\n10.0.0.1\n', 'utf16le');
    expect((await importing(utf16, '--arena', 'pods')).errors).toContain('UTF-16');
  });

  test('of which the quoting is broken is done up to there', async () => {
    await create(pods);
    const text = 'address,note\n10.0.0.1,a\n10.0.0.2,"b"c\n10.0.0.3,d\n';
    const { code, errors } = await importing(text, '--arena', 'pods');
    expect(code).toBe(exitCode.fileRefused);
    expect(errors).toContain('Line 3 is no CSV: Invalid Closing Quote');
    expect(await allocations('pods')).toHaveLength(1);
  });

  test('takes the columns that it is told to', async () => {
    await create(pods);
    const text = 'address,owner,tenant,site,note\n10.0.0.1,o,t,s,n\n';
    await imported(text, ['--arena', 'pods', '--owner', 'Tenant', '--label', 'site,owner']);
    await imported('address,a\n10.0.0.2,b\n', ['--arena', 'pods', '--label', 'none']);
    expect(await allocations('pods')).toMatchObject([
      { owner: 't', labels: { site: 's', owner: 'o' } },
      { labels: {} },
    ]);
  });

  test(
    'of thousands of rows, of which many are there, overlap or come twice',
    { timeout: 60_000 },
    async () => {
      await create({ name: 'ids', width: 32, spans: [{ base: 0, size: 500 }] });
      const random = new Random(20_260_101, 'import');
      const model = new Map<number, string>();
      for (let index = 0; index < 60; index += 1) {
        const address = random.int(500);
        const body = { size: 1, address, labels: { n: 'old' } };
        const { status } = await service.call('POST', '/v1/arenas/ids/xalloc', body);
        if (status === 201) model.set(address, 'old');
      }
      const before = model.size;
      let text = 'address,n\n';
      let [fresh, present, refused] = [0, 0, 0];
      for (let index = 0; index < 400; index += 1) {
        const address = random.int(550);
        const n = random.pick(['old', 'new']);
        text += `${address},${n}\n`;
        const there = model.get(address);
        if (address >= 500 || (there !== undefined && there !== n)) refused += 1;
        else if (there === n) present += 1;
        else {
          model.set(address, n);
          fresh += 1;
        }
      }
      const rehearsal = await imported(text, ['--arena', 'ids', '--dry-run'], exitCode.rowsRefused);
      expect(rehearsal).toMatchObject({ dryRun: true, imported: fresh, present, refused });
      expect(service.engine.arena('ids')?.allocations).toBe(before);
      const report = join(folder, 'refused.csv');
      const words = ['--arena', 'ids', '--report', report];
      const real = await imported(text, words, exitCode.rowsRefused);
      // Of rows that contradict each other it may be the later one that comes first.
      expect(real).toMatchObject({ rows: 400, imported: fresh });
      expect(Number(real['present']) + Number(real['refused'])).toBe(present + refused);
      const lines = readFileSync(report, 'utf8').trimEnd().split('\n');
      expect(lines).toHaveLength(Number(real['refused']) + 1);
      expect(lines[0]).toBe('line,reason,row');
      expect((await exported('--arena', 'ids')).split('\n')).toHaveLength(model.size + 2);
    },
  );
});

describe('external ids', () => {
  const head = 'address,externalId,owner\n';

  test('come back unchanged, are not answered again as another row, and record nothing twice', async () => {
    await create(pods);
    const rows = '10.0.0.1,a,x\n10.0.0.2,b,\n10.0.0.3,,\n';
    expect(await imported(head + rows, ['--arena', 'pods'])).toMatchObject({ imported: 3 });
    expect(await allocations('pods')).toMatchObject([
      { externalId: 'a', owner: 'x', labels: {} },
      { externalId: 'b' },
      { labels: {} },
    ]);
    const { revision } = service.engine;
    expect(await imported(head + rows, ['--arena', 'pods'])).toMatchObject({ present: 3 });
    expect(service.engine.revision).toBe(revision);
    const text = await exported('--arena', 'pods');
    expect(text).toContain('address,end,size,cidr,owner,externalId\n');
    expect(await imported(text, ['--arena', 'pods'])).toMatchObject({ present: 3 });
    await service.call('DELETE', '/v1/arenas/pods/allocations');
    expect(await imported(text, ['--arena', 'pods'])).toMatchObject({ imported: 3 });
  });

  test.each([[[]], [['--dry-run']]])('are of one row, with %j', async (words) => {
    await create(pods);
    await imported(`${head}10.0.0.1,a,x\n`, ['--arena', 'pods']);
    const rows = [
      '10.0.0.1,a,y', // Another owner than what is there.
      '10.0.0.9,a,x', // Another place.
      '10.0.0.2,b,x',
      '10.0.0.2,b,x', // The same again.
      '10.0.0.2,b,y', // The same with another owner.
      '10.0.0.3,b,x', // The id of a row before.
      '10.0.0.1,c,x', // What is there has another id.
    ].join('\n');
    const all = ['--arena', 'pods', ...words];
    const { errors, ...report } = await imported(head + rows, all, exitCode.rowsRefused);
    expect(report).toMatchObject({ imported: 1, present: 1, refused: 5 });
    const lines = [...errors.matchAll(/^line ([0-9]+): /gm)].map(([, line]) => Number(line));
    expect(lines.toSorted((a, b) => a - b)).toEqual([2, 3, 6, 7, 8]);
    const left = words.length === 0 ? ['10.0.0.1', '10.0.0.2'] : ['10.0.0.1'];
    expect((await allocations('pods')).map(({ address }) => address)).toEqual(left);
    expect(await allocations('pods')).toMatchObject(
      [{ owner: 'x' }, { owner: 'x' }].slice(0, left.length),
    );
  });
});

describe('a rehearsal', () => {
  test('tells what would be refused, and changes nothing', async () => {
    await create(pods);
    await service.call('POST', '/v1/arenas/pods/xalloc', { size: 1, address: '10.0.0.9' });
    const { revision } = service.engine;
    const text =
      'cidr,owner\n10.0.0.0/24,\n10.0.1.0/24,\n10.0.1.16/28,\n10.0.1.0/24,\n10.1.0.0/24,\n';
    const words = ['--arena', 'pods', '--dry-run'];
    const { errors, ...report } = await imported(text, words, exitCode.rowsRefused);
    expect(report).toMatchObject({ dryRun: true, imported: 1, present: 1, refused: 3 });
    expect(errors).toContain('line 2: the range at this address is not free: 10.0.0.0/24,\n');
    expect(errors).toContain('line 4: overlaps line 3: 10.0.1.16/28,\n');
    expect(errors).toContain('line 6: no span of');
    expect(service.engine.revision).toBe(revision);
  });

  test.each([
    ['an owner', { ownerLimit: 40, ownerLimits: [{ owner: 'b', limit: 25 }] }],
    ['the arena', { limit: 60 }],
    ['both', { limit: 70, ownerLimit: 40 }],
  ])('holds rows together against the limit of %s, as the import does', async (_whose, limits) => {
    await create({ name: 'ids', spans: [{ base: 0, size: 10_000 }], ...limits });
    for (const [address, owner] of Object.entries({ 0: 'a', 10: 'b' })) {
      const body = { address, size: 5, owner };
      await service.call('POST', '/v1/arenas/ids/xalloc', body);
    }
    // The first is there already, and takes nothing more.
    let text = 'address,size,owner\n0,5,a\n';
    for (let row = 0; row < 300; row++) text += `${100 + row * 10},5,${'abc'[row % 3]}\n`;
    const words = ['--arena', 'ids'];
    const rehearsed = await imported(text, [...words, '--dry-run'], exitCode.rowsRefused);
    const real = await imported(text, words, exitCode.rowsRefused);
    expect(rehearsed).toMatchObject({ present: 1 });
    expect(Number(rehearsed['imported'])).toBeGreaterThan(5);
    const { imported: fresh, refused } = real;
    expect(rehearsed).toMatchObject({ imported: fresh, refused });
    expect(rehearsed.errors).toMatch(/with the rows before, and/);
  });

  test('of an arena that is yet to be made goes by the spans that are given', async () => {
    const words = ['--arena', 'new', '--create', '--span', '10.0.0.0/24', '--dry-run'];
    const text = 'address\n10.0.0.1\n10.0.1.1\n';
    const report = await imported(text, words, exitCode.rowsRefused);
    expect(report).toMatchObject({ imported: 1, refused: 1 });
    expect(report.errors).toContain('line 3: no span of');
    expect(service.engine.arena('new')).toBeUndefined();
  });
});

describe('arenas', () => {
  test.each<[string, string, Record<string, unknown>]>([
    ['10.0.0.0/24,10.0.2.0/24', '10.0.2.1', { notation: 'ipv4', size: '512' }],
    ['2001:db8::/64', '2001:db8::1', { notation: 'ipv6', width: 128 }],
    ['100-199', '150', { notation: 'decimal', width: 64, size: '100' }],
    ['0x1000-0x1fff', '0x1001', { notation: 'hex', size: '4096' }],
  ])('are made with the span %s', async (span, address, expected) => {
    const words = ['--arena', 'new', '--create', '--span', span];
    expect(await imported(`address\n${address}\n`, words)).toMatchObject({ imported: 1 });
    expect((await service.call('GET', '/v1/arenas/new')).body).toMatchObject(expected);
    expect(await imported(`address\n${address}\n`, words)).toMatchObject({ present: 1 });
  });

  test('that are missing are told', async () => {
    const { code, errors } = await importing('address\n1\n', '--arena', 'none');
    expect(code).toBe(exitCode.usage);
    expect(errors).toMatch(/There is no arena none\. create it first|There is no arena none/);
    await create(pods);
    const text = 'arena,address\npods,10.0.0.1\nnone,10.0.0.1\n,10.0.0.2\n';
    const report = await imported(text, [], exitCode.rowsRefused);
    expect(report).toMatchObject({ imported: 1, refused: 2 });
    expect(report.errors).toContain('line 3: there is no arena none: create it first');
    expect(report.errors).toContain('line 4: says no arena; give --arena');
  });

  test('with a quantum take whole quanta, as they do of everyone', async () => {
    await create({
      name: 'gpu',
      notation: 'hex',
      quantum: 4096,
      spans: [{ base: 0, size: 65536 }],
    });
    const text = 'address,size\n0x1000,100\n0x2001,1\n0x3000,0x2000\n';
    for (const kind of ['imported', 'present']) {
      const report = await imported(text, ['--arena', 'gpu'], exitCode.rowsRefused);
      expect(report).toMatchObject({ [kind]: 2, refused: 1 });
    }
  });
});

describe('NetBox', () => {
  const prefixes = [
    'prefix,status,vrf,tenant,Role,description,id',
    '10.0.0.0/8,container,,,,all,1',
    '10.0.0.0/24,active,,acme,servers,"racks 1, 2",2',
    '10.0.1.0/24,reserved,,,,,3',
    '10.0.0.128/25,active,red,,,,4',
    '',
  ].join('\n');

  test('prefixes, VRFs by arena, containers left out', async () => {
    await create(pods);
    await create({ ...pods, name: 'team-red' });
    const words = ['--format', 'netbox', '--arena', 'pods', '--map', 'red=team-red'];
    const report = await imported(prefixes, [...words, '--owner', 'tenant']);
    expect(report).toMatchObject({ rows: 4, imported: 3, skipped: 1 });
    expect(await allocations('pods')).toMatchObject([
      {
        cidr: '10.0.0.0/24',
        owner: 'acme',
        labels: { status: 'active', role: 'servers', description: 'racks 1, 2', id: '2' },
      },
      { cidr: '10.0.1.0/24', labels: { status: 'reserved', id: '3' } },
    ]);
    expect(await allocations('team-red')).toMatchObject([{ labels: { vrf: 'red' } }]);
    const others = await imported(prefixes, words.slice(0, 4), exitCode.rowsRefused);
    expect(others.errors).toContain('line 5: the range at this address is not free');
    const unknown = [...words.slice(0, 4), '--map', 'blue=team-red'];
    const { errors } = await imported(prefixes, unknown, exitCode.rowsRefused);
    expect(errors).toContain('line 5: no arena is given for the VRF red');
    expect(
      await imported(prefixes, [...words.slice(0, 4), '--map', 'red=', '--owner', 'tenant']),
    ).toMatchObject({ skipped: 2, present: 2 });
  });

  test.each<[string, string, string]>([
    ['netbox', 'prefix', prefixes.replace(/^10\.0\.0\.(0\/8|128).*\n/gm, '')],
    [
      'netbox-addresses',
      'address',
      'Address,Status,DNS Name,VRF\n10.0.0.5/24,active,www.example.org,\n10.0.0.6/24,dhcp,,red\n',
    ],
  ])('%s goes there and back', async (format, column, text) => {
    await create(pods);
    await imported(text, ['--format', 'netbox', '--arena', 'pods']);
    const before = await allocations('pods');
    const back = await exported('--format', format, '--arena', 'pods');
    expect(back.split('\n')[0]).toMatch(new RegExp(`^${column},status,owner,`));
    await service.call('DELETE', '/v1/arenas/pods/allocations');
    await imported(back, ['--format', 'netbox', '--arena', 'pods']);
    expect(await allocations('pods')).toEqual(before);
  });

  test('what is no prefix, or no address, is left out and told', async () => {
    await create(pods);
    const takes = [
      { size: 3, address: '10.0.0.0' },
      { size: 4, address: '10.0.0.4', labels: { address: 'x', Env: 'y' } },
      { size: 1, address: '10.0.0.8' },
    ];
    for (const take of takes) await service.call('POST', '/v1/arenas/pods/xalloc', take);
    const to = join(folder, 'out.csv');
    const words = ['export', '--url', url, '--arena', 'pods', '--to', to];
    const { code, errors } = await run([...words, '--format', 'netbox']);
    expect(code).toBe(exitCode.rowsRefused);
    expect(errors).toContain('pods 10.0.0.0 is left out: its 3 addresses are not one prefix');
    expect(readFileSync(to, 'utf8')).toBe(
      'prefix,status,owner,label:Env,label:address\n10.0.0.4/30,active,,y,x\n10.0.0.8/32,active,,,\n',
    );
    expect((await run([...words, '--format', 'netbox-addresses'])).errors).toContain('--force');
    expect((await run([...words, '--force', '--format', 'netbox-addresses'])).code).toBe(15);
    expect(readFileSync(to, 'utf8')).toBe(
      'address,status,owner,label:Env,label:address\n10.0.0.8/32,active,,,\n',
    );
  });
});

describe('services', () => {
  const text = [
    '# what runs where',
    'ssh             22/tcp          # Secure Shell',
    'domain          53/tcp',
    'domain          53/udp',
    '',
    'http            80/tcp          www www-http # the Web',
    'gone 80',
    'sctp-thing      99/sctp',
    'big             70000/tcp',
  ].join('\n');

  test('go to the arena of their protocol and back', async () => {
    const words = ['--format', 'services', '--create'];
    const report = await imported(text, words, exitCode.rowsRefused);
    expect(report).toMatchObject({ rows: 7, imported: 4, refused: 3 });
    expect(report.errors).toContain('line 7: must be a name, then a port and a protocol');
    expect(report.errors).toContain('line 8: no arena is given for sctp');
    expect(report.errors).toContain('line 9: no span of');
    const back = await exported('--format', 'services', '--arena', 'tcp,udp');
    expect(back).toBe(
      [
        'ssh             22/tcp          # Secure Shell',
        'domain          53/tcp',
        'http            80/tcp          www www-http # the Web',
        'domain          53/udp',
        '',
      ].join('\n'),
    );
    expect(await imported(back, words)).toMatchObject({ imported: 0, present: 4 });
  });

  test('go to the arenas that are given', async () => {
    const words = [
      '--format',
      'services',
      '--create',
      '--map',
      'tcp=ports.tcp,udp=,sctp=ports.sctp',
    ];
    const report = await imported(text.replace('gone 80\n', ''), words, exitCode.rowsRefused);
    expect(report).toMatchObject({ imported: 4, skipped: 1, refused: 1 });
    const back = ['--format', 'services', '--arena', 'ports.sctp', '--map', 'sctp=ports.sctp'];
    expect(await exported(...back)).toBe('sctp-thing      99/sctp\n');
  });
});

describe('the round trip of CSV', () => {
  test('keeps everything, of several arenas', async () => {
    await create(pods);
    await create({ name: 'six', notation: 'ipv6', spans: [{ cidr: '2001:db8::/32' }] });
    await create({ name: 'low', notation: 'ipv4', source: 'pods' });
    const texts = ['', 'a,b', '"', ' x ', 'ü', '=1+1', "'", "'=1", '@a', '-1'];
    for (const [index, text] of texts.entries()) {
      const labels = { text, owner: 'o', size: String(index), end_: 'e', A: 'a' };
      const owner = `"${index}", ${text}`;
      await service.call('POST', '/v1/arenas/pods/alloc', { size: index + 1, labels, owner });
      await service.call('POST', '/v1/arenas/six/alloc', { size: index + 1 });
    }
    await service.call('POST', '/v1/arenas/low/alloc', { size: 10 });
    const before = [await allocations('pods'), await allocations('six')];
    const text = await exported('--arena', 'pods,six');
    expect(text.split('\n')[0]).toBe(
      'arena,address,end,size,cidr,owner,externalId,A,label:end_,label:owner,label:size,text',
    );
    expect(text).toContain(`,"'=1+1"\n`);
    for (const arena of ['low', 'pods', 'six']) {
      await service.call('DELETE', `/v1/arenas/${arena}/allocations`);
    }
    expect(await imported(text, [])).toMatchObject({ imported: 2 * texts.length, refused: 0 });
    const after = [await allocations('pods'), await allocations('six')];
    const own = before.map((list) => list.filter(({ importedBy }) => importedBy === undefined));
    expect(after).toEqual(own);
    const chosen = await exported('--arena', 'pods', '--label', 'A,size', '--owner', 'who');
    expect(chosen.split('\n').slice(0, 2)).toEqual([
      'address,end,size,cidr,who,externalId,A,label:size',
      '10.0.0.0,10.0.0.0,1,10.0.0.0/32,"""0"", ",,a,0',
    ]);
  });
});

test('an arena with every setting gets back what it had', async () => {
  const bands = [
    { name: 'closed', min: '10.0.1.0', max: '10.0.1.255', exclusive: true },
    { name: 'open', min: '10.0.2.0', max: '10.0.2.255' },
  ];
  const limits = { limit: 2000, ownerLimit: 600, ownerLimits: [{ owner: 'web', limit: 700 }] };
  const more = { quantum: 4, quantumCacheMax: 16, quarantineSeconds: 3600, policy: 'randomfit' };
  await create({ ...pods, bands, ...limits, ...more, labels: { a: 'b' } });
  for (let i = 0; i < 20; i++) {
    const band = ['closed', 'open', undefined][i % 3];
    const body = { size: 4 * (i + 1), owner: i % 2 === 0 ? 'web' : 'db', ...(band && { band }) };
    await service.call('POST', '/v1/arenas/pods/alloc', body);
  }
  const before = await allocations('pods');
  expect(before.length).toBeGreaterThan(15);
  const text = await exported('--arena', 'pods');
  expect(await imported(text, ['--arena', 'pods'])).toMatchObject({ present: before.length });
  await service.call('DELETE', '/v1/arenas/pods/allocations');
  const words = ['--arena', 'pods'];
  const refused = await imported(text, words, exitCode.rowsRefused);
  expect(refused).toMatchObject({ imported: 0, refused: before.length });
  expect(refused.errors).toContain('rests');
  const rehearsed = await imported(text, [...words, '--reuse', '--dry-run']);
  expect(rehearsed).toMatchObject({ imported: before.length });
  expect(await imported(text, [...words, '--reuse'])).toMatchObject({ imported: before.length });
  expect(await allocations('pods')).toEqual(before);
});

describe('a service', () => {
  test('that wants a token gets it', async () => {
    await service.stop();
    service = await Service.start({ tokens: ['0123456789abcdef'] });
    url = await service.app.listen({ host: '127.0.0.1', port: 0 });
    const words = ['--arena', 'new', '--create', '--span', '0-9'];
    const refused = await importing('address\n1\n', ...words);
    expect(refused).toMatchObject({ code: exitCode.transferFailed });
    expect(refused.errors).toContain('wants a token');
    const token = file('0123456789abcdef\n', 'token');
    const report = await imported('address\n1\n', [...words, '--token-file', token]);
    expect(report).toMatchObject({ imported: 1 });
  });

  test('that is none, or is gone, ends it', async () => {
    const server = createServer((_, reply) => void reply.end('<p>hello'));
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    const words = ['import', '--from', file('address\n1\n'), '--arena', 'a', '--url'];
    const other = await run([...words, `http://127.0.0.1:${port}`]);
    await new Promise((done) => server.close(done));
    expect(other).toMatchObject({ code: exitCode.transferFailed });
    const gone = await run([...words, `http://127.0.0.1:${port}`]);
    expect(gone).toMatchObject({ code: exitCode.transferFailed });
    expect(gone.errors).toContain('cannot be reached');
  });

  test('that is busy is asked again', async () => {
    await create(pods);
    let turnedAway = 0;
    service.app.server.prependListener('request', (request, reply) => {
      if (request.method !== 'POST' || turnedAway === 2) return;
      turnedAway += 1;
      reply.writeHead(503).end('{"code":"journal-unavailable","detail":"too much waits"}');
    });
    const report = await imported('address\n10.0.0.1\n', ['--arena', 'pods']);
    expect(report).toMatchObject({ refused: 0 });
    expect(turnedAway).toBe(2);
  });
});

test.each<[string[], RegExp]>([
  [['import'], /--url is missing/],
  [['import', '--url', 'ftp://x'], /--url must be the address/],
  [['import', '--url', 'http://x', '--format', 'xml'], /--format must be one of csv, netbox, serv/],
  [['import', '--url', 'http://x', '--span', '0-9'], /--span is for --create/],
  [['import', '--url', 'http://x', '--create'], /--create needs --span/],
  [['import', '--url', 'http://x', '--create', '--span', '9-0'], /--span 9-0 must not end below/],
  [['import', '--url', 'http://x', '--arena', 'A'], /--arena: A must be 1 to 128/],
  [['import', '--url', 'http://x', '--map', 'x=y'], /--map is for netbox/],
  [['import', '--url', 'http://x', '--map', 'x', '--format', 'netbox'], /--map must be WORD=ARENA/],
  [['import', '--url', 'http://x', '--arena', 'a', '--format', 'services'], /--arena is not for/],
  [['export', '--url', 'http://x'], /--arena is missing/],
  [['export', '--url', 'http://x', '--arena', 'a,,b'], /--arena must be words/],
  [['export', '--url', 'http://x', '--arena', 'a,b', '--format', 'netbox'], /--arena must be one/],
  [['export', '--url', 'http://x', '--arena', 'a', '--force'], /--force is for a file/],
])('%j is refused', async (words, message) => {
  const { code, errors } = await run(words);
  expect(code).toBe(exitCode.usage);
  expect(errors).toMatch(message);
});

test('a report in place of the file that is imported is refused', async () => {
  const rows = file('address\n10.0.0.1\n');
  const { code, errors } = await importing('address\n10.0.0.1\n', '--report', rows);
  expect({ code, errors }).toMatchObject({
    code: exitCode.usage,
    errors: expect.stringContaining('--report must be another file than --from'),
  });
  expect(readFileSync(rows, 'utf8')).toBe('address\n10.0.0.1\n');
});

test('a file that is not there is told', async () => {
  await create(pods);
  const words = ['import', '--url', url, '--arena', 'pods', '--from', join(folder, 'none.csv')];
  expect(await run(words)).toMatchObject({ code: exitCode.dataUnusable });
  const report = ['--report', join(folder, 'none', 'r.csv'), '--from', file('address\n')];
  const { code } = await run([...words.slice(0, 5), ...report]);
  expect(code).toBe(exitCode.dataUnusable);
});
