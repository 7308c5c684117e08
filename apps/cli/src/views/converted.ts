/** What a conversion came to, and what its gate asks next. */
import type { Job } from '@gantry/contract';

export const convertedLines = ({ modelVersion = 'nothing' }: Job): readonly string[] => [
  `  ✓ ${modelVersion}`,
  `  before it may take traffic: gantry model evaluate ${modelVersion} --data held-out.txt`,
];
