/** What is wrong with a rule, and where in its text. */
export class RuleError extends Error {
  readonly code = 'rule_invalid';
  readonly column: number;
  readonly hint: string;
  constructor(column: number, message: string, hint: string) {
    super(message);
    this.name = 'RuleError';
    this.column = column;
    this.hint = hint;
  }
}
