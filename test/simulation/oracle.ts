/**
 * The oracle of a simulated service: what every state has to be, and what a restart has to find.
 * It follows the commands with the naive model, keeps a copy of it for every revision that may yet
 * be lost, and has an engine of its own that is given the events as they were, never encoded, and
 * only once they are durable.
 */
import { isDeepStrictEqual } from 'node:util';
import { Engine } from '../../src/engine/engine.ts';
import type { SingleCommand } from '../../src/engine/decide.ts';
import type { Event } from '../../src/engine/event.ts';
import { encode } from '../../src/journal/record.ts';
import { encodePart } from '../../src/journal/snapshot-part.ts';
import type { SingleOutcome } from '../model/batch.ts';
import { Model } from '../model/model.ts';
import { pictureOf } from '../model/picture.ts';
import type { Disk } from './disk.ts';
import { Violation } from './violation.ts';

export class Oracle {
  /** The state right after the last command, durable or not. */
  model = new Model();
  /** The highest revision that anybody was told is done. */
  acknowledged = 0;
  readonly #reference = new Engine();
  /** The events after the reference's revision, and the model after each. */
  #pending: { readonly event: Event; readonly model: Model }[] = [];
  /** Every record as it has to be on the disk; revision 1 first. */
  readonly #bodies: string[] = [];
  /** The model at the reference's revision. */
  #settled = new Model();

  /** The revision of {@link model}. */
  get revision(): number {
    return this.#reference.revision + this.#pending.length;
  }

  /** Judges what the engine would answer, and adopts a grant as the next revision. */
  judge(command: SingleCommand, outcome: SingleOutcome, applied: boolean): void {
    if ('refused' in outcome || applied) {
      const complaint = this.model.judge(command, outcome);
      if (complaint !== undefined) throw new Violation(`${command.type}: ${complaint}`);
    }
    if ('refused' in outcome || !applied) return;
    this.#pending.push({ event: outcome, model: copyOf(this.model) });
    this.#bodies.push(encode(outcome));
  }

  /**
   * Compares what a restart found with what had to be there, and forgets what was lost: from now on
   * the state is that of the disk. `thorough` compares all that can be seen of the engine, `at` a
   * time in milliseconds.
   */
  recovered(engine: Engine, disk: Disk, thorough: boolean, at: number): void {
    const { revision } = disk;
    if (engine.revision !== revision) {
      throw new Violation(`recovered revision ${engine.revision} of ${revision}`);
    }
    if (revision < this.acknowledged) {
      throw new Violation(`${this.acknowledged} was acknowledged, the disk ends at ${revision}`);
    }
    if (revision > this.revision) throw new Violation(`the disk has more than was asked for`);
    this.#bodies.length = revision;
    for (const { revision: number, body } of disk.records) {
      if (body !== this.#bodies[number - 1]) throw new Violation(`record ${number} is another one`);
    }
    for (const { event, model } of this.#pending.splice(0)) {
      if (this.#reference.revision === revision) break;
      this.#reference.apply(event, this.#reference.revision + 1);
      this.#settled = model;
    }
    this.model = copyOf(this.#settled);
    if (segmentsOf(engine) !== segmentsOfModel(this.model)) {
      throw new Violation(`the state at ${revision} is not the model's`);
    }
    if (
      (thorough || disk.checkpoint !== undefined) &&
      partsOf(engine) !== partsOf(this.#reference)
    ) {
      throw new Violation(`the state at ${revision} is not that of the events themselves`);
    }
    if (thorough && !isSamePicture(engine, this.#reference, at)) {
      throw new Violation(`the state at ${revision} answers otherwise than the events themselves`);
    }
  }
}

/** The order of fields in a view is nobody's business. */
function isSamePicture(a: Engine, b: Engine, at: number): boolean {
  const pictures = [pictureOf(a, at), pictureOf(b, at)].map((text): unknown => JSON.parse(text));
  return isDeepStrictEqual(pictures[0], pictures[1]);
}

/** All of the state, as a checkpoint says it. */
function partsOf(engine: Engine): string {
  let text = '';
  for (const part of engine.snapshot()) text += `${encodePart(part)}\n`;
  return text;
}

/** A model that shares nothing with the other that may change. */
function copyOf(model: Model): Model {
  const copy = new Model();
  copy.revision = model.revision;
  for (const [name, arena] of model.arenas) {
    const twin = arena.copy();
    twin.idleSince = new Map(arena.idleSince);
    copy.arenas.set(name, twin);
  }
  for (const [id, lease] of model.leases) copy.leases.set(id, { ...lease });
  return copy;
}

const everything = 1000;

function segmentsOf(engine: Engine): string {
  let text = '';
  for (const { arena } of engine.arenas(undefined, everything)) {
    text += `${arena}:`;
    engine.walkSegments(arena, 0n, ({ address, size, state }) => {
      text += ` ${state} ${address}+${size}`;
      return true;
    });
    text += '\n';
  }
  return text;
}

function segmentsOfModel({ arenas }: Model): string {
  let text = '';
  for (const name of [...arenas.keys()].toSorted()) {
    text += `${name}:`;
    for (const { address, size, state } of arenas.get(name)!.segments()) {
      text += ` ${state} ${address}+${size}`;
    }
    text += '\n';
  }
  return text;
}
