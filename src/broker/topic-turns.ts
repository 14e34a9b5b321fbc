interface Turns {
  /** Changes whose turn has not come. */
  readonly waiting: ((ended: () => void) => void)[];
  /** Changes that end at once follow each other in a loop, not one inside the other. */
  isLooping: boolean;
  isBusy: boolean;
}

/**
 * Lets changes of one topic be made one after the other, so that each begins with what the one before left. Changes of
 * different topics do not wait for each other.
 */
export class TopicTurns {
  readonly #turns = new Map<string, Turns>();

  /** Makes a change when it is its turn, maybe at once; it must call `ended` once, maybe at once. */
  take(topic: string, change: (ended: () => void) => void): void {
    const turns = this.#turns.get(topic) ?? { waiting: [], isLooping: false, isBusy: false };
    this.#turns.set(topic, turns);
    turns.waiting.push(change);
    this.#run(topic, turns);
  }

  #run(topic: string, turns: Turns): void {
    if (turns.isLooping) return;
    turns.isLooping = true;
    while (!turns.isBusy) {
      const change = turns.waiting.shift();
      if (!change) {
        this.#turns.delete(topic);
        break;
      }
      turns.isBusy = true;
      change(() => {
        turns.isBusy = false;
        this.#run(topic, turns);
      });
    }
    turns.isLooping = false;
  }
}
