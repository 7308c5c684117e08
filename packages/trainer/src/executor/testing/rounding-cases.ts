/** Examples of rounding: its gradient goes straight through, so as a definition it is the identity. */
import { columns, rows, type OperatorCases } from './operator-case.ts';

export const roundingCases: OperatorCases<'round' | 'roundBlocks' | 'roundChannels' | 'roundRange'> = {
  // Rounding to a narrow type has no slope of its own: as a definition it is the identity, to 2⁻⁸.
  round: {
    attributes: { to: 'bf16' },
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) => [...(x ?? [])],
  },
  // The same: straight through, to half a step of 127 and the rounding of its scale.
  roundBlocks: {
    attributes: { format: 'q8_0', axis: 1 },
    shapes: [[rows, 64]],
    output: [rows, 64],
    define: ([x]) => [...(x ?? [])],
  },
  roundChannels: {
    attributes: { axis: 1 },
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) => [...(x ?? [])],
  },
  // To half a step of 255 over both signs.
  roundRange: {
    attributes: {},
    shapes: [[rows, columns]],
    output: [rows, columns],
    define: ([x]) => [...(x ?? [])],
  },
};
