// Predicted by the simulator = seen in the kernel, line by line: everything but what no simulator can know.
import type { StepResult } from '../simulate/scenario.ts';

/** One thing that the kernel did and the simulator did not say, or the other way round. */
export type Difference = {
  readonly step: number;
  readonly what: string;
  readonly predicted: string;
  readonly seen: string;
};

/** Without the IP identification, the TCP window and sequence numbers. */
export function comparable(line: string): string {
  return line
    .replace(/( TTL=\d+) ID=\d+/g, '$1')
    .replace(/ WINDOW=\d+/g, '')
    .replace(/ SEQ=\d+ ACK=\d+/g, '')
    .trimEnd();
}

export function differences(predicted: readonly StepResult[], seen: readonly StepResult[]): readonly Difference[] {
  return predicted.flatMap((expected, step) => {
    const actual = seen[step];
    if (actual === undefined) return [{ step, what: 'step', predicted: expected.outcome, seen: 'not performed' }];
    const outcome =
      expected.outcome === actual.outcome
        ? []
        : [{ step, what: 'outcome', predicted: expected.outcome, seen: actual.outcome }];
    return [...outcome, ...lineDifferences(step, expected.lines, actual.lines)];
  });
}

function lineDifferences(step: number, predicted: readonly string[], seen: readonly string[]): readonly Difference[] {
  const count = Math.max(predicted.length, seen.length);
  return Array.from({ length: count }, (_, index) => ({
    step,
    what: `log line ${index + 1}`,
    predicted: predicted[index] ?? 'nothing',
    seen: seen[index] ?? 'nothing',
  })).filter((pair) => comparable(pair.predicted) !== comparable(pair.seen));
}
