/** Examples of what a convolutional classifier is made of. */
import { at, sum, table, type OperatorCases } from './operator-case.ts';

const [images, channels, outputs, high, wide] = [3, 2, 4, 6, 5] as const;
const imageShape = [images, channels, high, wide] as const;
/** Where an element lies in [images, channels, height, width]. */
const placeIn = (index: number, channelCount: number, height: number, across: number) => ({
  image: Math.floor(index / (across * height * channelCount)),
  channel: Math.floor(index / (across * height)) % channelCount,
  row: Math.floor(index / across) % height,
  column: index % across,
});

export const imageCases: OperatorCases<'convolution' | 'averagePool' | 'channelMeans'> = {
  convolution: {
    attributes: {},
    shapes: [imageShape, [outputs, channels, 3, 3], [1, outputs]],
    output: [images, outputs, high, wide],
    define: ([x, w, b]) =>
      table(images * outputs * high * wide, (index) => {
        const { image, channel, row, column } = placeIn(index, outputs, high, wide);
        const seen = sum(channels * 9, (k) => {
          const { channel: from, row: down, column: right } = placeIn(k, channels, 3, 3);
          const [y, z] = [row + down - 1, column + right - 1];
          if (y < 0 || z < 0 || y >= high || z >= wide) return 0;
          return at(x, ((image * channels + from) * high + y) * wide + z) * at(w, channel * channels * 9 + k);
        });
        return seen + at(b, channel);
      }),
  },
  averagePool: {
    attributes: {},
    shapes: [imageShape],
    output: [images, channels, high / 2, (wide - 1) / 2],
    define: ([x]) =>
      table((images * channels * high * (wide - 1)) / 4, (index) => {
        const { image, channel, row, column } = placeIn(index, channels, high / 2, (wide - 1) / 2);
        const first = ((image * channels + channel) * high + 2 * row) * wide + 2 * column;
        return (at(x, first) + at(x, first + 1) + at(x, first + wide) + at(x, first + wide + 1)) / 4;
      }),
  },
  channelMeans: {
    attributes: {},
    shapes: [imageShape],
    output: [images, channels],
    define: ([x]) =>
      table(
        images * channels,
        (index) => sum(high * wide, (k) => at(x, index * high * wide + k)) / (high * wide),
      ),
  },
};
