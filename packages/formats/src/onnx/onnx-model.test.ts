import { describe, expect, it } from 'vitest';
import { createProtobufWriter } from './protobuf-writer.ts';

describe('protobuf wire format', () => {
  it('has the bytes of the specification’s own examples', () => {
    const writer = createProtobufWriter();
    writer.integer(1, 150);
    writer.text(2, 'testing');
    writer.message(3, (inner) => inner.integer(1, 150));
    writer.packedIntegers(6, [3, 270, 86942]);
    const hex = Buffer.from(writer.finish()).toString('hex');
    expect(hex).toBe('089601120774657374696e671a030896013206038e029ea705');
  });

  it('writes a negative number as ten bytes and refuses what is no exact integer', () => {
    const writer = createProtobufWriter();
    writer.integer(1, -1);
    expect(Buffer.from(writer.finish()).toString('hex')).toBe('08ffffffffffffffffff01');
    expect(() => createProtobufWriter().integer(1, 0.5)).toThrow('no exact integer');
  });
});
