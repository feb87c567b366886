/** The simulated service did what it must not. */
export class Violation extends Error {
  override name = 'Violation';
}
