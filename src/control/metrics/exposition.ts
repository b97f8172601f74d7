// Families of metrics as text, in the two forms that are read: Prometheus' own (version 0.0.4, also node_exporter's textfile
// directory and promtool) and OpenMetrics 1.0. Pure.

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  /** Of a counter without `_total`. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly help: string;
  readonly samples: readonly Sample[];
}

export type Dialect = 'prometheus' | 'openmetrics';

/** A family without a sample is left out. */
export function formatFamilies(families: readonly Family[], dialect: Dialect): string {
  const texts = families.filter(({ samples }) => samples.length > 0).map((family) => format(family, dialect));
  return `${texts.join('')}${dialect === 'openmetrics' ? '# EOF\n' : ''}`;
}

function format({ name, type, help, samples }: Family, dialect: Dialect): string {
  const sampleName = type === 'counter' ? `${name}_total` : name;
  const familyName = dialect === 'openmetrics' ? name : sampleName;
  // Of a series that is there twice readers would refuse the whole text.
  const series = new Map(samples.toReversed().map(({ labels, value }) => [formatLabels(labels), value]));
  const lines = [...series].reverse().map(([labels, value]) => `${sampleName}${labels} ${value}\n`);
  return `# HELP ${familyName} ${escapeHelp(help)}\n# TYPE ${familyName} ${type}\n${lines.join('')}`;
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

/** A program may be called as it likes; half a surrogate pair has no UTF-8. */
function escapeLabel(value: string): string {
  return value.toWellFormed().replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
