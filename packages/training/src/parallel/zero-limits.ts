/** How ranks of ZeRO bring together what each of them owns a part of. In elements; what is undefined is no limit. */
export interface ZeroLimits {
  /** Gradients are summed so many at a time … */
  readonly reduceElements?: number | undefined;
  /** … and parameters gathered so many at a time. */
  readonly gatherElements?: number | undefined;
  /** Under ZeRO 3 parameters of at most so many elements stay whole on every rank from one update to the next; none unless given. */
  readonly persistentElements?: number | undefined;
  /** Layers of so many are gathered ahead of their turn, beside the computing; none unless given. */
  readonly prefetchElements?: number | undefined;
  /** Of all that is gathered at one time. */
  readonly liveElements?: number | undefined;
  /** A gathered layer stays when it is needed again before so many other elements. */
  readonly reuseElements?: number | undefined;
}
