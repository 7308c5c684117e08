/** On every answer of the management API: which build gave it. */
export const versionHeader = 'gantry-version';
