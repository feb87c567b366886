/** validateOnly, and If-Match on alloc and xalloc: a preview with its tag is a promise. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { policies } from '../../src/engine/command.ts';
import { Service } from './service.ts';

let service: Service;
beforeEach(async () => {
  service = await Service.start();
});
afterEach(() => service.stop());

const arenas = '/v1/arenas';

/** An arena of twenty holes of two sizes, in no order of size. */
async function perforated(name: string, more: Record<string, unknown> = {}): Promise<void> {
  const spans = [{ cidr: '10.0.0.0/24' }];
  await service.call('POST', arenas, { name, notation: 'ipv4', spans, ...more });
  for (let at = 0; at < 240; at += 12) {
    const size = at % 36 === 0 ? 3 : 7;
    const address = `10.0.0.${at}`;
    await service.call('POST', `${arenas}/${name}/xalloc`, { size, address });
  }
}

async function preview(arena: string, body: Record<string, unknown>) {
  const type = 'address' in body || 'align' in body ? 'xalloc' : 'alloc';
  const url = `${arenas}/${arena}/${type}`;
  const seen = await service.call('POST', url, { ...body, validateOnly: true });
  const tag = String(seen.headers['etag']);
  return {
    seen,
    tag,
    commit: (more: Record<string, unknown> = {}) =>
      service.call('POST', url, { ...body, ...more }, { 'if-match': tag }),
  };
}

describe('validateOnly', () => {
  it.each(policies)('tells under %s what the grant will be', async (policy) => {
    await perforated('pods');
    const body = { size: 4, policy, owner: 'node-17', labels: { env: 'prod' } };
    for (let round = 0; round < 8; round++) {
      const before = await service.call('GET', `${arenas}/pods`);
      const { seen, tag, commit } = await preview('pods', body);
      expect(seen.status).toBe(200);
      expect(seen.headers).not.toHaveProperty('location');
      expect(tag).toBe(before.headers['etag']);
      expect(seen.body).toMatchObject({ revision: 0, owner: 'node-17', labels: { env: 'prod' } });
      expect((await service.call('GET', `${arenas}/pods`)).body).toEqual(before.body);
      const granted = await commit();
      expect(granted.status).toBe(201);
      const { revision: _r, createdAt: _c, ...promised } = seen.body;
      expect(granted.body).toMatchObject(promised);
      expect((await commit()).status, 'the arena has changed').toBe(412);
    }
  });

  it('allocates nothing and takes no revision', async () => {
    await perforated('pods');
    const { revision } = service.engine;
    const { seen } = await preview('pods', { prefixLength: 30 });
    expect(seen.body).toMatchObject({ size: '4', cidr: expect.stringMatching(/\/30$/) });
    expect(service.engine.revision).toBe(revision);
    expect((await service.call('GET', `${arenas}/pods`)).body.allocations).toBe(20);
  });

  it.each([
    [{ size: 64 }, 409, 'exhausted'],
    [{ size: 1, address: '10.0.0.0' }, 409, 'taken'],
    [{ size: 300 }, 422, 'never-fits'],
    [{ size: 1, align: 3, phase: 4 }, 400, 'invalid-request'],
    [{ size: 1, validateOnly: 1 }, 400, 'invalid-request'],
  ])('refuses %j as the grant would', async (body, status, code) => {
    await perforated('pods');
    const url = `${arenas}/pods/xalloc`;
    const refusal = await service.call('POST', url, { validateOnly: true, ...body });
    expect(refusal.body).toMatchObject({ status, code });
    if ('validateOnly' in body) return;
    expect((await service.call('POST', url, body)).body).toEqual(refusal.body);
  });

  it('grants with false, and refuses where there is no arena', async () => {
    const body = { size: 1, validateOnly: true };
    await service.refused('arena-not-found', 'POST', `${arenas}/none/alloc`, body);
    await perforated('pods');
    const granted = await service.call('POST', `${arenas}/pods/alloc`, {
      size: 1,
      validateOnly: false,
    });
    expect(granted.status).toBe(201);
  });

  it('shows nothing that a crash could undo', async () => {
    await perforated('pods');
    service.journal.automatic = false;
    const granting = service.call('POST', `${arenas}/pods/alloc`, { size: 1 });
    await service.commitUnderWay();
    let answered = false;
    const previewing = preview('pods', { size: 1 }).then((result) => {
      answered = true;
      return result;
    });
    for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    expect(answered).toBe(false);
    service.journal.automatic = true;
    service.journal.complete();
    await granting;
    expect((await previewing).seen.status).toBe(200);
  });
});

describe('If-Match on alloc', () => {
  it('takes the tag of a preview, of the arena, and *', async () => {
    await perforated('pods');
    const url = `${arenas}/pods/alloc`;
    const { headers } = await service.call('GET', `${arenas}/pods`);
    const ifMatch = (tag: string) => ({ 'if-match': tag });
    const tag = String(headers['etag']);
    expect((await service.call('POST', url, { size: 1 }, ifMatch(tag))).status).toBe(201);
    await service.refused('precondition-failed', 'POST', url, { size: 1 }, ifMatch(tag));
    await service.refused('precondition-failed', 'POST', url, { size: 1 }, ifMatch('"99"'));
    expect((await service.call('POST', url, { size: 1 }, ifMatch('*'))).status).toBe(201);
    await service.refused('invalid-request', 'POST', url, { size: 1 }, ifMatch('W/"1"'));
  });

  it('guards a preview as it guards the grant', async () => {
    await perforated('pods');
    const body = { size: 1, validateOnly: true };
    const stale = { 'if-match': '"1"' };
    await service.refused('precondition-failed', 'POST', `${arenas}/pods/alloc`, body, stale);
  });

  it('covers the sources, through every level', async () => {
    await perforated('root', { policy: 'firstfit' });
    const importing = { notation: 'ipv4', policy: 'firstfit' };
    await service.call('POST', arenas, { name: 'mid', source: 'root', ...importing });
    await service.call('POST', arenas, { name: 'leaf', source: 'mid', ...importing });
    const { seen, commit, tag } = await preview('leaf', { size: 5 });
    expect(seen.body).toMatchObject({ address: '10.0.0.3', arena: 'leaf' });
    // Somebody takes just that in the root; the leaf is as it was, and yet the answer is another.
    const taken = { size: 5, address: '10.0.0.3' };
    expect((await service.call('POST', `${arenas}/root/xalloc`, taken)).status).toBe(201);
    const refused = await commit();
    expect(refused.body).toMatchObject({ status: 412, code: 'precondition-failed' });
    expect(refused.body.detail).toContain('with its sources');
    const again = await preview('leaf', { size: 5 });
    expect(again.tag).not.toBe(tag);
    expect(again.seen.body.address).not.toBe('10.0.0.3');
    const granted = await again.commit();
    expect(granted.body).toMatchObject({ address: again.seen.body.address });
  });

  it('holds while another arena changes', async () => {
    await perforated('pods');
    await perforated('other');
    const { seen, commit } = await preview('pods', { size: 2, policy: 'randomfit' });
    await service.call('POST', `${arenas}/other/alloc`, { size: 1 });
    const granted = await commit();
    expect(granted).toMatchObject({ status: 201, body: { address: seen.body.address } });
  });
});

describe('If-Match on addSpan', () => {
  it('takes the tag of the arena', async () => {
    await perforated('pods');
    const url = `${arenas}/pods/spans`;
    const { headers } = await service.call('GET', `${arenas}/pods`);
    const ifMatch = { 'if-match': String(headers['etag']) };
    const added = await service.call('POST', url, { cidr: '10.0.1.0/24' }, ifMatch);
    expect(added.status).toBe(201);
    const next = { cidr: '10.0.2.0/24' };
    await service.refused('precondition-failed', 'POST', url, next, ifMatch);
  });
});
