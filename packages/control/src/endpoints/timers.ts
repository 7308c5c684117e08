/** Things to do after a while, none of which keeps the process alive or happens once they are disposed. */
export class Timers implements Disposable {
  readonly #timers = new Set<NodeJS.Timeout>();
  #isOver = false;

  later(delayMs: number, action: () => void): void {
    if (this.#isOver) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, delayMs);
    timer.unref();
    this.#timers.add(timer);
  }

  [Symbol.dispose](): void {
    this.#isOver = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
