/** The numbers that an exchange goes by. */

/** It failed between here and the model: another may do better. */
export const badGateway = 502;
/** Its time ran out behind the replica, in a queue or in a model: asked again it would wait as long once more, there or
 *  at the next, just where there is too much to do. */
export const outOfTime = 504;
/** Loading, draining or full: it did no work, so the request may wait for another or for this one again. */
export const notNow = 503;
/** As nginx counts a client that did not wait. */
export const clientLeft = 499;
/** A suspect of a crash waits so long for its turn to run alone. */
export const suspectWaitMs = 50;
/** What another endpoint may make good. */
export const handedOver: ReadonlySet<string> = new Set([
  'no_ready_replica',
  'endpoint_stopped',
  'upstream_failed',
  'upstream_timeout',
]);
