/** Every command, registered once. A new group is one file in `commands/` and one line here. */
import { Command } from 'commander';
import { gantryVersion } from '@gantry/kit';
import { backupCommands } from './commands/backup.ts';
import { completionCommand } from './commands/completion.ts';
import { doctorCommand } from './commands/doctor.ts';
import { downCommand } from './commands/down.ts';
import { endpointCommands } from './commands/endpoint.ts';
import { endpointConnectCommands } from './commands/endpoint-connect.ts';
import { endpointFeedbackCommand } from './commands/endpoint-feedback.ts';
import { endpointRolloutCommands } from './commands/endpoint-rollout.ts';
import { engineCommands } from './commands/engine.ts';
import { eventsCommand } from './commands/events.ts';
import { jobCommands } from './commands/job.ts';
import { keyCommands } from './commands/key.ts';
import { loginCommand } from './commands/login.ts';
import { modelCommands } from './commands/model.ts';
import { modelGateCommands } from './commands/model-gate.ts';
import { modelConversionCommands } from './commands/model-conversion.ts';
import { modelBenchCommand } from './commands/model-bench.ts';
import { modelEvaluationCommand } from './commands/model-evaluation.ts';
import { nodeCommands } from './commands/node.ts';
import { planCommand } from './commands/plan.ts';
import { policyCommands } from './commands/policy.ts';
import { queueCommands } from './commands/queue.ts';
import { quickstartCommand } from './commands/quickstart.ts';
import { serviceCommands } from './commands/service.ts';
import { secretCommands } from './commands/secret.ts';
import { simulateCommand } from './commands/simulate.ts';
import { statusCommand } from './commands/status.ts';
import { tenantCommands } from './commands/tenant.ts';
import { topCommand } from './commands/top.ts';
import { trainCommand } from './commands/train.ts';
import { upCommand } from './commands/up.ts';
import { usageCommand } from './commands/usage.ts';
import { userCommands } from './commands/user.ts';
import { exitCodeMeanings, exitCodes } from './exit-codes.ts';

const register: readonly ((program: Command) => void)[] = [
  // The platform of this machine.
  upCommand,
  downCommand,
  statusCommand,
  topCommand,
  doctorCommand,
  quickstartCommand,
  // Work.
  trainCommand,
  planCommand,
  jobCommands,
  secretCommands,
  modelCommands,
  modelConversionCommands,
  modelEvaluationCommand,
  modelBenchCommand,
  modelGateCommands,
  endpointCommands,
  endpointRolloutCommands,
  endpointConnectCommands,
  endpointFeedbackCommand,
  engineCommands,
  // Sharing.
  queueCommands,
  policyCommands,
  nodeCommands,
  usageCommand,
  eventsCommand,
  simulateCommand,
  // Access.
  loginCommand,
  tenantCommands,
  userCommands,
  keyCommands,
  // Operating.
  serviceCommands,
  backupCommands,
  completionCommand,
];

export function createProgram(): Command {
  const program = new Command('gantry')
    .description('The AI platform in one process that grows into a cluster')
    .version(gantryVersion)
    .helpCommand(false)
    .option('--url <URL>', 'server to talk to (default: the one on this machine, or GANTRY_URL)')
    .option('--context <NAME>', 'a context made by "gantry login"')
    .option('--tenant <NAME>', 'act in this tenant (operators)')
    .option('--data-dir <DIR>', 'data directory of the server on this machine')
    .option('--json', 'print JSON instead of tables')
    .configureHelp({ showGlobalOptions: true })
    // What is wrong is told by report-error.ts, like every other error.
    .configureOutput({ outputError: () => undefined })
    .addHelpText('after', `\nExit codes:\n${exitCodeTable()}\n\nFirst steps:\n${firstSteps}`)
    .exitOverride();
  for (const add of register) add(program);
  return program;
}

const firstSteps = [
  'gantry up --detach',
  'gantry train --data "docs/**/*.md" --register notes',
  'gantry endpoint create chat --model notes',
]
  .map((line) => `  ${line}`)
  .join('\n');

const exitCodeTable = (): string =>
  Object.entries(exitCodes)
    .map(
      ([name, code]) => `  ${String(code).padStart(2)}  ${exitCodeMeanings[name as keyof typeof exitCodes]}`,
    )
    .join('\n');
