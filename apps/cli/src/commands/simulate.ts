import { type Command, Option } from 'commander';
import { CliError } from '../cli-error.ts';
import { countOption, example, numberOption } from '../command-group.ts';
import { type SimulateOptions, traceKinds } from '../simulate/simulate-options.ts';

export function simulateCommand(program: Command): void {
  example(
    program
      .command('simulate')
      .description('Replay a trace, or what this server saw, under any policy')
      .addOption(new Option('--trace <KIND>', 'whose format the files have').choices(traceKinds))
      .option('--from-server', 'the real jobs and machines instead of a trace')
      .option('--nodes <FILE>', 'openb: the list of nodes; pollux: how many')
      .option('--pods <FILE>', 'openb: the list of pods')
      .option('--placement <NAME>', 'openb: how pods are placed', 'shadow-price')
      .option('--seeds <N>', 'openb: how many shuffled runs', countOption, 10)
      .option('--jobs <FILE>', 'philly, itp, gavel: the list of jobs')
      .option('--gpus <N>', 'philly, itp: GPUs of the cluster', countOption)
      .option('--gpus-per-node <N>', 'philly, itp, pollux: GPUs of a node', countOption, 8)
      .option('--workload <FILE>', 'pollux: the list of jobs')
      .option('--applications <DIR>', 'pollux: what was measured of each application')
      .option('--throughputs <FILE>', 'gavel: steps a second of each kind of job on each model')
      .option('--cluster <LIST>', 'gavel: devices of each model, like v100=36,k80=36')
      .option('--policy <A,B>', 'one row each (default: ours for that kind of trace)')
      .option('--last <DURATION>', 'from the server: jobs submitted in this time', '7d')
      .option('--add-nodes <N>', 'each policy again with that many more nodes, like 2 or 2xH100x8')
      .option('--without-nodes <A,B>', 'from the server: these machines are not there')
      .option(
        '--quota <QUEUE=N>',
        'from the server: devices it deserves, like nlp=8, or nlp=8..16 with a limit',
      )
      .option('--rules <YAML>', 'from the server: laid over the policy that holds: rules, pools, placement …')
      .option('--arrival-rate <X>', 'jobs come X times as fast', numberOption, 1)
      .option('--html <FILE>', 'also a page with charts'),
    'gantry simulate --from-server --last 7d --policy default,fifo --add-nodes 2 --html simulate.html',
    'gantry simulate --from-server --quota nlp=16 --rules rules.yaml --arrival-rate 1.5',
    'gantry simulate --trace philly --jobs philly.csv --gpus 640 --policy default,srtf-oracle',
    'gantry simulate --trace pollux --workload workload-1.csv --applications traces --nodes 16 --gpus-per-node 4',
    'gantry simulate --trace gavel --jobs x.trace --throughputs t.json --cluster v100=36,p100=36,k80=36',
    'gantry simulate --trace openb --nodes nodes.csv --pods pods.csv --placement fgd --seeds 10 --json',
  ).action(async (options: SimulateOptions, command: Command) => {
    if ((options.trace === undefined) === (options.fromServer !== true))
      throw new CliError('bad_request', 'what is replayed: --trace KIND or --from-server', {
        hint: 'gantry simulate --help has one example of each',
      });
    // Loaded only here: no other command should wait for the simulator.
    const { simulate } = await import('../simulate/simulate.ts');
    await simulate(options, command);
  });
}
