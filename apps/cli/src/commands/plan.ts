import { type Command, Option } from 'commander';
import { example, numberOption } from '../command-group.ts';
import type { PlanOptions } from '../plan/plan-request.ts';

export function planCommand(program: Command): void {
  example(
    program
      .command('plan')
      .description('How to spread a training over devices: what fits, how long a step takes, and why')
      .option('--model <NAME>', 'a published model, a config.json, a job file, or a registered model')
      .option('--devices <LIST>', 'a count and a kind, like 64xH100-80GB; 2xlocal: our own ranks here')
      .option('--sequence <N>', 'tokens of a sequence; a job file says it', numberOption)
      .option('--batch <N>', 'sequences of a step, over all devices; a job file says it', numberOption)
      .option(
        '--html <FILE>',
        'also a page with pictures: memory and time by part, every layout, the pipeline',
      )
      .option('--calibrate', 'measure what our own runtime takes on this machine, for --devices local')
      .option('--tensor <N>', 'hold tensor parallelism at this', numberOption)
      .option('--pipeline <N>', 'hold the number of stages', numberOption)
      .option('--expert <N>', 'hold the data-parallel ranks that share out experts', numberOption)
      .option('--virtual-stages <N>', 'hold the chunks that a stage holds', numberOption)
      .option('--micro-batch <N>', 'hold the sequences that a rank works on at once', numberOption)
      .addOption(new Option('--zero <N>', 'hold the ZeRO stage').choices(['0', '1', '2', '3']))
      .addOption(
        new Option('--recompute <KIND>', 'hold what is computed again').choices([
          'none',
          'selective',
          'full',
        ]),
      )
      .addOption(new Option('--offload <KIND>', 'hold what lies on the host').choices(['none', 'optimizer']))
      .addOption(
        new Option(
          '--optimizer <NAME>',
          'what is kept beside the parameters; adamw, or what a job file says',
        ).choices(['adamw', 'sgd', 'muon', 'adafactor']),
      )
      .addOption(
        new Option('--attention <KIND>', 'whether s × s scores are stored')
          .choices(['flash', 'scores'])
          .default('flash'),
      )
      .option('--top <N>', 'how many layouts are listed', numberOption, 5)
      .addOption(
        new Option('--emit <LAUNCHER>', 'print only the best layout, as this program wants it').choices([
          'gantry',
          'deepspeed',
          'fsdp',
          'megatron',
          'accelerate',
        ]),
      ),
    'gantry plan --model llama-3-8b --devices 64xH100-80GB --sequence 8192 --batch 512',
    'gantry plan --calibrate && gantry plan --model job.yaml --devices 2xlocal',
    'gantry plan --model ./my-model --devices 8xA100-80GB --sequence 4096 --batch 128 --json',
    'gantry plan --model llama-2-7b --devices 8xA100-80GB --sequence 4096 --batch 128 --zero 3 --emit deepspeed',
  ).action(async (options: PlanOptions, command: Command) => {
    const { runPlan } = await import('../plan/run-plan.ts');
    await runPlan(options, command);
  });
}
