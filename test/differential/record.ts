/**
 * Records the traces, by hand, where the seed's engine is at hand as a program (`seed-driver.ts` says
 * what it must answer):
 *
 *     VMEMD_SEED_DRIVER=/path/to/driver node test/differential/record.ts [PRESET …]
 *
 * The same presets and seed give the same traces. Every answer is held against brute force at once:
 * a grant must be legal, and a refusal where brute force finds room must have a known reason, which
 * is written down with the answer. An unknown one stops the recording.
 */
import { writeFileSync } from 'node:fs';
import type { CreateArena } from '../../src/engine/command.ts';
import { ModelArena } from '../model/arena.ts';
import { ceil, meets, wishOf, type Wish } from '../model/placement.ts';
import { Random } from '../model/random.ts';
import { createArena } from '../model/shape.ts';
import { explains, type Divergence } from './divergence.ts';
import { drawRequest, presets, wantsFree, type Preset } from './preset.ts';
import { SeedDriver } from './seed-driver.ts';
import { writeAnswer, writeRequest, type Answer, type Request } from './trace.ts';

const seed = 20_260_101;
/** Segments and sizes are recorded once in this many steps. */
const dumpEvery = 50;
/** No more than this many deaths a trace: each costs a start and the whole history again. */
const deathsMax = 60;

/** One trace in the making: the seed, and beside it a naive arena in the same state. */
class Recording {
  readonly #driver: SeedDriver;
  readonly #preset: Preset;
  readonly #random: Random;
  readonly #arena: ModelArena;
  readonly #lines: string[] = [];
  #deaths = 0;

  constructor(path: string, preset: Preset) {
    this.#driver = new SeedDriver(path);
    this.#preset = preset;
    this.#random = new Random(seed, preset.name);
    const setting = { policy: 'firstfit', width: 64, quantum: preset.quantum } as const;
    this.#arena = new ModelArena(createArena('a', setting) as CreateArena);
  }

  /** The trace as text. */
  async run(): Promise<string> {
    const { name, about, quantum, spans, laterSpans = [], reserved = [], steps } = this.#preset;
    this.#lines.push(`# ${name}: ${about}. Recorded by record.ts, seed ${seed}.`);
    await this.#do(`c ${quantum}`);
    for (const span of spans) await this.#add(span);
    for (const { base, size } of reserved) {
      const constraint = { min: base, max: base + size - 1n };
      await this.#request({ type: 'xalloc', size, constraint, fit: 'B' });
    }
    const later = [...laterSpans];
    for (let step = 1; step <= steps; step++) {
      if (step % Math.ceil(steps / (laterSpans.length + 1)) === 0 && later.length > 0) {
        await this.#add(later.shift()!);
      }
      if (wantsFree(this.#preset, this.#arena, this.#random)) await this.#free();
      else await this.#request(drawRequest(this.#preset, this.#arena, this.#random));
      if (step % dumpEvery === 0) await this.#dump();
    }
    this.#driver.stop();
    return `${this.#lines.join('\n')}\n`;
  }

  async #add(span: { base: bigint; size: bigint }): Promise<void> {
    await this.#do(`s ${span.base} ${span.size}`);
    this.#arena.addSpan({ ...span, kind: 'static' });
  }

  async #free(): Promise<void> {
    const { base, size } = this.#random.pick(this.#arena.held);
    await this.#do(`f ${base} ${size}`);
    this.#arena.drop(base);
  }

  async #request(request: Request): Promise<void> {
    const line = writeRequest(request);
    const said = await this.#driver.ask(line);
    if (said === undefined && ++this.#deaths > deathsMax) return;
    const answer = this.#judge(request, said, line);
    this.#lines.push(`${line} ${writeAnswer(answer)}`);
    if (answer.address === undefined) return;
    const size = ceil(request.size, this.#preset.quantum);
    this.#arena.hold({ labels: {}, base: answer.address, size });
  }

  #judge(request: Request, said: string | undefined, line: string): Answer {
    const { size, constraint, fit } = request;
    const wish = wishOf(size, constraint, this.#preset.quantum, 64);
    if (typeof wish === 'string') throw new Error(`${line} is invalid in ${wish}`);
    if (said === undefined) {
      return { died: true, divergence: this.#reason(['round', 'class', 'wrap'], wish, fit, line) };
    }
    if (said !== '-') {
      const address = BigInt(said);
      const legal = meets(address, wish) && this.#arena.isFree({ base: address, size: wish.size });
      if (!legal) throw new Error(`the seed answers ${line} with ${said}, which is not legal`);
      return { address, died: false };
    }
    if (this.#arena.choices(wish, 'firstfit').length === 0) return { died: false };
    return { died: false, divergence: this.#reason(['adjacent'], wish, fit, line) };
  }

  /** The first of these reasons that holds. */
  #reason(of: readonly Divergence[], wish: Wish, fit: Request['fit'], line: string): Divergence {
    const scene = { free: this.#arena.free(), spans: this.#arena.spans, wish, fit };
    const reason = of.find((divergence) => explains(divergence, scene));
    if (reason === undefined) throw new Error(`the seed fails at ${line}, and no reason is known`);
    return reason;
  }

  async #dump(): Promise<void> {
    for (const what of ['d', 'z']) this.#lines.push(`${what} ${await this.#driver.ask(what)}`);
  }

  async #do(line: string): Promise<void> {
    if ((await this.#driver.ask(line)) !== 'ok') throw new Error(`the seed fails at ${line}`);
    this.#lines.push(line);
  }
}

const path = process.env['VMEMD_SEED_DRIVER'];
if (path === undefined) {
  console.error("set VMEMD_SEED_DRIVER to the program that drives the seed's engine");
  process.exit(2);
}
const wanted = process.argv.slice(2);
for (const preset of presets) {
  if (wanted.length > 0 && !wanted.includes(preset.name)) continue;
  const trace = await new Recording(path, preset).run();
  writeFileSync(new URL(`${preset.name}.trace`, import.meta.url), trace);
  console.log(`${preset.name}: ${trace.length} bytes`);
}
