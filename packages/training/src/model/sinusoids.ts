/** [time, width]: sine in even columns, cosine in odd ones, wavelengths from 2π to 10,000·2π (Vaswani et al. 2017, §3.5). */
export function sinusoids(time: number, width: number): Float32Array {
  return Float32Array.from({ length: time * width }, (_, index) => {
    const [place, column] = [Math.floor(index / width), index % width];
    const angle = place / 10_000 ** ((column - (column % 2)) / width);
    return column % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
  });
}
