/** Numbers of one image, channel by channel: [channels, height, width]. */
export interface Picture {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly values: Float32Array;
}

/** `visit` a row of a channel: where it begins in `values`. */
export function eachRow(
  { channels, height, width }: Picture,
  visit: (from: number, row: number) => void,
): void {
  for (let line = 0; line < channels * height; line += 1) visit(line * width, line % height);
}
