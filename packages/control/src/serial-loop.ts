/**
 * A loop that runs only when poked: pokes while it runs give one more round, never two at once. A round
 * that throws is reported and the loop lives on.
 */
export interface SerialLoop extends AsyncDisposable {
  poke(): void;
  /** Resolves when nothing is running and nothing is asked for. */
  idle(): Promise<void>;
}

export function createSerialLoop(round: () => Promise<void>, onError: (error: unknown) => void): SerialLoop {
  let isWanted = false;
  let isStopped = false;
  let running: Promise<void> | undefined;

  const run = async (): Promise<void> => {
    // Pokes of one turn of the event loop share a round.
    await Promise.resolve();
    // oxlint-disable-next-line no-unmodified-loop-condition -- poke and dispose change them meanwhile
    while (isWanted && !isStopped) {
      isWanted = false;
      try {
        await round();
      } catch (error) {
        onError(error);
      }
    }
    running = undefined;
  };
  const poke = (): void => {
    isWanted = true;
    if (!isStopped) running ??= run();
  };
  const idle = async (): Promise<void> => {
    // oxlint-disable-next-line no-unmodified-loop-condition -- run() clears it
    while (running !== undefined) await running;
  };
  return {
    poke,
    idle,
    [Symbol.asyncDispose]: async () => {
      isStopped = true;
      await idle();
    },
  };
}
