/** What people say of an endpoint's answers. */
import { type Command, InvalidArgumentError } from 'commander';
import { example, group, numberOption } from '../command-group.ts';
import { connect } from '../connection.ts';
import { showOne } from '../output.ts';

export function endpointFeedbackCommand(program: Command): void {
  example(
    group(program, 'endpoint', 'Served models')
      .command('feedback <name> <request-id> <score>')
      .description('Say how good an answer was, 0 to 1: a rollout is judged by it'),
    'gantry endpoint feedback chat req_01j9z2s9b0a8k3v6c4d2e1f0gh 0.9',
  ).action(async (name: string, requestId: string, text: string, _options: unknown, command: Command) => {
    const told = await connect(command).client.call('endpoints.feedback', {
      params: { name },
      body: { requestId, score: scoreOf(text) },
    });
    showOne(command, told, () => `  ✓ ${requestId}   ${scoreOf(text)}`);
  });
}

function scoreOf(text: string): number {
  const score = numberOption(text);
  if (score <= 1) return score;
  throw new InvalidArgumentError('Scores lie between 0 (bad) and 1 (good).');
}
