/** What was asked for cannot be planned: a sentence, and what would work. */
export class PlanError extends Error {
  readonly hint: string;

  constructor(message: string, hint: string) {
    super(message);
    this.name = 'PlanError';
    this.hint = hint;
  }
}
