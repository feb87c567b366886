/** Objects by small numbers, each for as long as it is in use, so that rows of numbers can refer to them. */
export class Numbered<T> {
  readonly #numbers = new Map<T, number>();
  readonly #objects: (T | undefined)[] = [];
  readonly #uses: number[] = [];
  readonly #spare: number[] = [];

  use(object: T): number {
    let number = this.#numbers.get(object);
    if (number === undefined) {
      number = this.#spare.pop() ?? this.#objects.length;
      this.#numbers.set(object, number);
      this.#objects[number] = object;
      this.#uses[number] = 0;
    }
    this.#uses[number]!++;
    return number;
  }

  disuse(number: number): void {
    if (--this.#uses[number]! > 0) return;
    this.#numbers.delete(this.#objects[number]!);
    this.#objects[number] = undefined;
    this.#spare.push(number);
  }

  /** Only while it is in use. */
  get(number: number): T {
    return this.#objects[number]!;
  }
}
