/**
 * The language of scheduling rules: comparisons of what is known of a workload, its queue, the time
 * and the load, joined by `and`, `or`, `not`. It has no loops, no calls and no assignment, so a rule
 * always ends; it is checked whole when it is saved, so a saved rule never fails.
 *
 *   queue == "nightly" and (hour >= 22 or hour < 6) and not preemptible
 *   user in ["ann", "ben"] or devices * 2 > 16 or waited > 12h
 */
import { nearest } from '@gantry/kit';
import { FIELDS, type FieldName, type RuleFacts } from './fields.ts';
import { RuleError } from './rule-error.ts';
import { type Token, tokenize } from './tokenize.ts';

export type Value = number | string | boolean;
type Type = 'number' | 'text' | 'yes or no' | 'list';

export type Expression =
  | { kind: 'value'; value: Value }
  | { kind: 'list'; values: readonly Value[] }
  | { kind: 'field'; name: FieldName }
  | { kind: 'not'; operand: Expression }
  | { kind: 'binary'; operator: string; left: Expression; right: Expression };

interface Typed {
  expression: Expression;
  type: Type;
  column: number;
}

/** Deeper nesting than anybody writes. */
const DEEPEST = 50;
/** By how firmly they bind, loosest first. */
const LEVELS: readonly (readonly string[])[] = [
  ['or'],
  ['and'],
  ['==', '!=', '<', '<=', '>', '>=', 'in'],
  ['+', '-'],
  ['*', '/'],
];

export function parseExpression(text: string): Expression {
  const parsed = new Parser(tokenize(text)).whole();
  if (parsed.type !== 'yes or no')
    throw new RuleError(parsed.column, `it is ${parsed.type}, not a condition`, 'Compare it: devices > 4');
  return parsed.expression;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Typed {
    const parsed = this.#level(0);
    const next = this.#peek();
    if (next.kind !== 'end')
      throw new RuleError(
        next.column,
        `"${next.text}" is not expected here`,
        'Join conditions with and, or.',
      );
    return parsed;
  }

  #peek(): Token {
    return this.#tokens[this.#at]!;
  }

  #takes(text: string): boolean {
    const token = this.#peek();
    if (token.kind !== 'symbol' && token.kind !== 'word') return false;
    if (token.text !== text) return false;
    this.#at++;
    return true;
  }

  #level(level: number): Typed {
    const operators = LEVELS[level];
    if (operators === undefined) return this.#unary();
    let left = this.#level(level + 1);
    for (;;) {
      const token = this.#peek();
      const operator = operators.find((each) => this.#takes(each));
      if (operator === undefined) return left;
      const right = this.#level(level + 1);
      left = { ...combine(operator, left, right, token.column), column: left.column };
      // Comparisons do not chain: `1 < hour < 5` would not mean what it seems to.
      if (level === 2) return left;
    }
  }

  #unary(): Typed {
    const token = this.#peek();
    if (this.#takes('not')) {
      const operand = this.#nested(() => this.#level(2));
      expectType(operand, 'yes or no', 'not');
      return {
        expression: { kind: 'not', operand: operand.expression },
        type: 'yes or no',
        column: token.column,
      };
    }
    if (this.#takes('(')) {
      const inner = this.#nested(() => this.#level(0));
      if (!this.#takes(')')) throw new RuleError(this.#peek().column, '")" is missing', 'Close the bracket.');
      return inner;
    }
    if (this.#takes('[')) return this.#list(token.column);
    this.#at++;
    switch (token.kind) {
      case 'number':
        return { expression: { kind: 'value', value: token.value }, type: 'number', column: token.column };
      case 'text':
        return { expression: { kind: 'value', value: token.text }, type: 'text', column: token.column };
      case 'word':
        return named(token);
      case 'symbol':
      case 'end':
        throw new RuleError(
          token.column,
          token.kind === 'end' ? 'it ends too early' : `"${token.text}" is not expected here`,
          'A condition compares a field: priority > 50',
        );
    }
  }

  #list(column: number): Typed {
    const values: Value[] = [];
    while (!this.#takes(']')) {
      const item = this.#unary();
      if (item.expression.kind !== 'value')
        throw new RuleError(item.column, 'a list holds only numbers and texts', '["ann", "ben"]');
      values.push(item.expression.value);
      if (!this.#takes(',') && this.#peek().text !== ']')
        throw new RuleError(this.#peek().column, '"," or "]" is missing', '["ann", "ben"]');
    }
    return { expression: { kind: 'list', values }, type: 'list', column };
  }

  #nested(parse: () => Typed): Typed {
    if (++this.#depth > DEEPEST)
      throw new RuleError(this.#peek().column, 'it is nested too deeply', 'Split it into several rules.');
    const parsed = parse();
    this.#depth--;
    return parsed;
  }
}

function named({ text, column }: Token): Typed {
  if (text === 'true' || text === 'false')
    return { expression: { kind: 'value', value: text === 'true' }, type: 'yes or no', column };
  if (Object.hasOwn(FIELDS, text)) {
    const name = text as FieldName;
    return { expression: { kind: 'field', name }, type: FIELDS[name].type, column };
  }
  const close = nearest(text, Object.keys(FIELDS));
  throw new RuleError(
    column,
    `there is no field "${text}"`,
    close === undefined ? `Known: ${Object.keys(FIELDS).join(', ')}.` : `Did you mean ${close}?`,
  );
}

function combine(operator: string, left: Typed, right: Typed, column: number): Omit<Typed, 'column'> {
  const made = { kind: 'binary', operator, left: left.expression, right: right.expression } as const;
  switch (operator) {
    case 'and':
    case 'or':
      expectType(left, 'yes or no', operator);
      expectType(right, 'yes or no', operator);
      return { expression: made, type: 'yes or no' };
    case 'in':
      expectType(right, 'list', operator);
      return { expression: made, type: 'yes or no' };
    case '==':
    case '!=':
      if (left.type !== right.type)
        throw new RuleError(
          column,
          `${left.type} is compared with ${right.type}`,
          'Compare a field with what it can be.',
        );
      return { expression: made, type: 'yes or no' };
    case '<':
    case '<=':
    case '>':
    case '>=':
      expectType(left, 'number', operator);
      expectType(right, 'number', operator);
      return { expression: made, type: 'yes or no' };
    default:
      expectType(left, 'number', operator);
      expectType(right, 'number', operator);
      return { expression: made, type: 'number' };
  }
}

function expectType(typed: Typed, type: Type, operator: string): void {
  if (typed.type !== type)
    throw new RuleError(
      typed.column,
      `"${operator}" needs ${type} here, this is ${typed.type}`,
      `See the fields: ${Object.keys(FIELDS).join(', ')}.`,
    );
}

/** Never throws on what `parseExpression` made. */
export function evaluate(expression: Expression, facts: RuleFacts): Value {
  switch (expression.kind) {
    case 'value':
      return expression.value;
    case 'field':
      return facts[expression.name];
    case 'not':
      return evaluate(expression.operand, facts) !== true;
    case 'list':
      return false;
    case 'binary': {
      const { operator, right } = expression;
      const left = evaluate(expression.left, facts);
      if (operator === 'and') return left === true && evaluate(right, facts) === true;
      if (operator === 'or') return left === true || evaluate(right, facts) === true;
      if (operator === 'in') return right.kind === 'list' && right.values.includes(left);
      const other = evaluate(right, facts);
      if (operator === '==') return left === other;
      if (operator === '!=') return left !== other;
      return ARITHMETIC[operator]!(Number(left), Number(other));
    }
  }
}

const ARITHMETIC: Readonly<Record<string, (a: number, b: number) => Value>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  // Nothing is infinitely large by mistake.
  '/': (a, b) => (b === 0 ? 0 : a / b),
};
