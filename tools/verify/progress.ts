const clearLine = '\r\u001B[K';

/** A line on the terminal: what the run waits for, and for how many seconds. */
export class Progress {
  #title = '';
  #since = Date.now();
  readonly #timer = setInterval(() => this.#show(), 1_000);

  /** Shows a new title, and counts from zero. */
  start(title: string): void {
    this.#title = title;
    this.#since = Date.now();
    this.#show();
  }

  /** Removes the line. */
  stop(): void {
    clearInterval(this.#timer);
    process.stderr.write(clearLine);
  }

  #show(): void {
    const seconds = Math.round((Date.now() - this.#since) / 1_000);
    process.stderr.write(`${clearLine}${this.#title} … ${seconds} s`);
  }
}
