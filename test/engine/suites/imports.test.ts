/**
 * Importing from a source and giving back: the source is asked with the whole constraint, once per
 * level, and a refusal leaves every arena as it was.
 */
import { describe, expect, test } from 'vitest';
import type { Constraint } from '../../../src/engine/command.ts';
import { Driver, type ArenaDriver, type Options } from '../harness.ts';

/** A parent of quantum 16 and a child that has nothing of its own. */
function family(child: Options = {}, parent: Options = { spans: [[0n, 0x1000n]] }) {
  const driver = new Driver();
  const above = driver.arena('parent', { quantum: 16n, ...parent });
  const below = driver.arena('child', { quantum: 16n, source: 'parent', ...child });
  return { driver, parent: above, child: below };
}

function finishBoth(parent: ArenaDriver, child: ArenaDriver): void {
  expect(child.update({ keepSpans: 0, releaseAfterSeconds: 0 })).toBe('ok');
  expect(child.freeAll()).toBe('ok');
  // Lowering keepSpans does not release by itself what was kept.
  expect(child.releaseSpans(child.driver.engine.revision)).toBe('ok');
  child.finish();
  expect(child.destroy()).toBe('ok');
  expect(parent.view.allocated).toBe(0n);
  parent.finish();
}

describe('imports', () => {
  test('one import of what is needed, given back by the free', () => {
    const { parent, child } = family();
    expect(child.alloc(0x30n)).toBe(0n);
    expect(child.spans()).toMatchObject([
      { base: 0n, size: 0x30n, kind: 'imported', from: 'parent' },
    ]);
    expect(parent.view.allocated).toBe(0x30n);
    expect(parent.driver.engine.allocation('parent', 0n)).toMatchObject({ importedBy: 'child' });
    expect(parent.free(0n)).toBe('allocation-busy');
    expect(parent.resize(0n, 16n)).toBe('allocation-busy');
    expect(parent.destroy(true)).toBe('arena-busy');
    expect(child.free(0n)).toBe('ok');
    expect(child.spans()).toEqual([]);
    expect(parent.view.allocated).toBe(0n);
    finishBoth(parent, child);
  });

  test.each([
    [0x100n, { align: 0x100n }, 0x100n],
    [0x20n, { align: 0x100n, phase: 0x40n }, 0x40n],
    [0x20n, { nocross: 0x20n }, 0x20n],
    [0x10n, { min: 0x801n }, 0x810n],
    [0x10n, { align: 0x30n, min: 0x40n }, 0x60n],
    [0x10n, { address: 0xff0n }, 0xff0n],
    [0xff0n, {}, 0x10n],
  ] as [bigint, Constraint, bigint][])(
    '%s with %o is imported as asked: %s',
    (size, constraint, base) => {
      const { parent, child } = family();
      expect(parent.reserve(0n, 16n)).toBe(0n);
      expect(child.xalloc(size, constraint)).toBe(base);
      expect(child.spans()).toHaveLength(1);
      finishBothAfterFree(parent, child);
    },
  );

  test.each([
    [0x10n, { min: 0x8000n }, 'never-fits'],
    [0x1010n, {}, 'never-fits'],
    [0x10n, { address: 0x1000n }, 'never-fits'],
    [0x1000n, {}, 'exhausted'],
    [0x10n, { max: 0xfn }, 'exhausted'],
    [0x10n, { align: 0x2000n }, 'exhausted'],
  ] as [bigint, Constraint, string][])(
    '%s with %o → %s, and the parent is left alone',
    (size, constraint, answer) => {
      const { parent, child } = family();
      expect(parent.reserve(0n, 16n)).toBe(0n);
      const before = [parent.walk(), child.walk()];
      expect(child.xalloc(size, constraint)).toBe(answer);
      expect([parent.walk(), child.walk()]).toEqual(before);
      finishBothAfterFree(parent, child);
    },
  );

  test('a large import is tried first and given up where the source has less', () => {
    const { parent, child } = family({ largeImport: true });
    expect(child.alloc(0x10n)).toBe(0n);
    expect(parent.view.allocated).toBe(0x100n);
    expect(child.alloc(0x200n)).toBe(0x100n);
    expect(parent.view.allocated).toBe(0x300n);
    finishBoth(parent, child);
  });

  test('importSize is the least that is imported, and the span goes back whole', () => {
    const { parent, child } = family({ importSize: 0x60n });
    expect(child.alloc(0x30n)).toBe(0n);
    expect(child.spans()).toMatchObject([{ base: 0n, size: 0x60n }]);
    expect(child.alloc(0x30n)).toBe(0x30n);
    expect(child.free(0n)).toBe('ok');
    expect(parent.view.allocated).toBe(0x60n);
    expect(child.free(0x30n)).toBe('ok');
    expect(parent.view.allocated).toBe(0n);
    finishBoth(parent, child);
  });

  test('imported spans keep their identity even side by side', () => {
    const { parent, child } = family({ keepSpans: 2 });
    expect([child.alloc(0x10n), child.alloc(0x10n)]).toEqual([0n, 0x10n]);
    expect(child.free(0n)).toBe('ok');
    expect(child.free(0x10n)).toBe('ok');
    expect(child.holes()).toEqual([
      [0n, 0x10n],
      [0x10n, 0x10n],
    ]);
    expect(child.alloc(0x20n)).toBe(0x20n);
    expect(child.spans()).toHaveLength(3);
    finishBoth(parent, child);
  });

  test('a finer child takes whole quanta of its source', () => {
    const { parent, child } = family({ quantum: 1n });
    expect(child.alloc(5n)).toBe(0n);
    expect(child.spans()).toMatchObject([{ base: 0n, size: 16n }]);
    expect(child.xalloc(1n, { min: 35n, max: 35n })).toBe(35n);
    expect(child.spans()).toMatchObject([{ base: 0n }, { base: 32n, size: 16n }]);
    // Sixteen units that begin inside a quantum of the parent need two of them.
    expect(child.xalloc(16n, { address: 55n })).toBe(55n);
    expect(child.spans()).toMatchObject([{ base: 0n }, { base: 32n }, { base: 48n, size: 32n }]);
    finishBoth(parent, child);
  });

  test('an odd alignment finds the one quantum left in a far coarser source', () => {
    const { parent, child } = family({ quantum: 1n }, { quantum: 4096n, spans: [[0n, 0x40000n]] });
    expect(parent.reserve(0n, 0x40000n)).toBe(0n);
    for (const [free, size, align, base] of [
      [4096n, 1n, 3n, 4098n],
      [8192n, 5n, 1025n, 8200n],
      [0x3f000n, 4096n, 3n, 0x3f000n],
      [0x3f000n, 4095n, 3n, 0x3f000n],
    ] as const) {
      expect(parent.freeAll()).toBe('ok');
      if (free > 0n) expect(parent.reserve(0n, free)).toBe(0n);
      const behind = free + 4096n;
      if (behind < 0x40000n) expect(parent.reserve(behind, 0x40000n - behind)).toBe(behind);
      const got = child.xalloc(size, { align });
      expect(got).toBe(base);
      if (typeof got === 'bigint') expect(child.free(got)).toBe('ok');
    }
    expect(parent.freeAll()).toBe('ok');
    finishBoth(parent, child);
  });

  test('a coarser child finds the part of its source that is whole to it', () => {
    const { parent, child } = family({ quantum: 64n }, { spans: [[0x10n, 0x90n]] });
    expect(child.alloc(1n)).toBe(0x40n);
    expect(child.alloc(1n)).toBe('exhausted');
    expect(child.alloc(128n)).toBe('never-fits');
    finishBoth(parent, child);
  });

  test('keepSpans keeps that many idle spans', () => {
    const { parent, child } = family({ keepSpans: 1 });
    for (const base of [0n, 0x10n, 0x20n]) expect(child.alloc(0x10n)).toBe(base);
    for (const base of [0n, 0x10n, 0x20n]) expect(child.free(base)).toBe('ok');
    expect(child.spans()).toHaveLength(1);
    expect(parent.view.allocated).toBe(0x10n);
    const kept = child.spans()[0]!.base;
    const revision = child.driver.engine.revision;
    expect(child.alloc(0x10n)).toBe(kept);
    expect(child.driver.last).toMatchObject({ imported: [] });
    expect(child.driver.engine.revision).toBe(revision + 1);
    finishBoth(parent, child);
  });

  test('an idle span is released up to a revision, not one that is idle only since a later one', () => {
    const { driver, parent, child } = family({ releaseAfterSeconds: 10 });
    expect(child.alloc(0x10n)).toBe(0n);
    expect(child.free(0n)).toBe('ok');
    const freed = driver.engine.revision;
    expect(child.spans()).toHaveLength(1);
    expect(child.releaseSpans(freed - 1)).toBe('ok');
    expect(child.spans()).toHaveLength(1);
    expect(child.releaseSpans(freed)).toBe('ok');
    expect(child.spans()).toEqual([]);
    expect(parent.view.allocated).toBe(0n);
    finishBoth(parent, child);
  });

  test('no arena adds a span over what its source or its children own', () => {
    const { driver, parent, child } = family({ spans: [[0x2000n, 0x100n]] });
    expect(driver.create('other', { source: 'parent', spans: [[0xff0n, 0x20n]] })).toBe('overlap');
    expect(child.add(0xff0n, 0x10n)).toBe('overlap');
    expect(parent.add(0x20f0n, 0x20n)).toBe('overlap');
    expect(parent.add(0x2100n, 0x10n)).toBe('ok');
    expect(child.alloc(0x100n)).toBe(0x2000n);
    expect(child.alloc(0x10n)).toBe(0x2100n);
    finishBoth(parent, child);
  });

  test('a chain imports once per level, topmost first, and releases lowest first', () => {
    const driver = new Driver();
    const top = driver.arena('top', { quantum: 256n, spans: [[0n, 0x1000n]] });
    const middle = driver.arena('middle', { quantum: 16n, source: 'top' });
    const leaf = driver.arena('leaf', { quantum: 1n, source: 'middle' });
    expect(leaf.alloc(3n)).toBe(0n);
    expect(driver.last).toMatchObject({
      imported: [
        { arena: 'middle', source: 'top', base: 0n, size: 256n },
        { arena: 'leaf', source: 'middle', base: 0n, size: 16n },
      ],
    });
    expect(driver.engine.whatis('top', 2n)?.path.map((step) => step.arena)).toEqual([
      'top',
      'middle',
      'leaf',
    ]);
    expect(driver.engine.whatis('top', 2n)?.allocation).toMatchObject({ arena: 'leaf', size: 3n });
    expect(leaf.xalloc(1n, { address: 0xfffn })).toBe(0xfffn);
    expect(leaf.xalloc(1n, { address: 0x1000n })).toBe('never-fits');
    expect(leaf.free(0n)).toBe('ok');
    expect(driver.last).toMatchObject({ released: [{ arena: 'leaf' }, { arena: 'middle' }] });
    expect(middle.destroy(true)).toBe('arena-busy');
    expect(leaf.destroy(true)).toBe('ok');
    expect([top.view.allocated, middle.view.size]).toEqual([0n, 0n]);
    finishBoth(top, middle);
  });

  test('removing a free imported span gives it back', () => {
    const { parent, child } = family({ keepSpans: 4 });
    expect(child.alloc(0x10n)).toBe(0n);
    expect(child.removeSpan(0n)).toBe('allocation-busy');
    expect(child.free(0n)).toBe('ok');
    expect(parent.view.allocated).toBe(0x10n);
    expect(child.removeSpan(0n)).toBe('ok');
    expect(parent.view.allocated).toBe(0n);
    finishBoth(parent, child);
  });
});

describe('deep chains', () => {
  test('a refusal at the end of sixteen levels that all ask generously stays cheap', () => {
    const driver = new Driver();
    const root = driver.arena('a0', { spans: [[0n, 1000n]] });
    let leaf = root;
    for (let level = 1; level <= 16; level++) {
      const source = `a${level - 1}`;
      leaf = driver.arena(`a${level}`, { source, importSize: 8n, largeImport: true });
    }
    // Without a bound on generous asks this would take 3^16 plans.
    expect(root.reserve(500n, 1n)).toBe(500n);
    expect(leaf.alloc(999n)).toBe('exhausted');
    expect(driver.last).toMatchObject({ exhaustion: { largestFitting: 500n } });
    expect(leaf.alloc(499n)).toBeTypeOf('bigint');
    expect(leaf.freeAll()).toBe('ok');
    expect(root.view.allocated).toBe(1n);
  });
});

/** As {@link finishBoth}, where the parent holds one block of its own at 0. */
function finishBothAfterFree(parent: ArenaDriver, child: ArenaDriver): void {
  expect(parent.free(0n)).toBe('ok');
  finishBoth(parent, child);
}
