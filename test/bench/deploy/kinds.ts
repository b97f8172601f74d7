// Which programs are deployed, and in which ways: one that finishes its request on TERM, and one that dies of it.
import { fixture } from '../../helpers/build/compile-c.ts';
import { findCommand } from '../../helpers/machine/requirements.ts';
import { findPhpCgi } from '../php.ts';
import type { ContenderName } from '../row.ts';
import * as contenders from './contenders.ts';

export interface DeployWay {
  readonly name: ContenderName;
  readonly contender: contenders.DeployPoolStart;
}

export interface DeployKind {
  readonly what: string;
  readonly program: readonly string[];
  readonly ways: readonly DeployWay[];
}

const usual: readonly DeployWay[] = [
  { name: 'ours', contender: contenders.reloadedOurs },
  { name: '1.6', contender: contenders.restartedReference },
  { name: 'multiwatch', contender: contenders.restartedMultiwatch },
  { name: 'supervisord', contender: contenders.restartedSupervisord(false) },
];
const oneByOne: DeployWay = { name: 'supervisord', contender: contenders.restartedSupervisord(true) };

/** Of what this machine has. */
export function deployKinds(): DeployKind[] {
  const [php, python] = [findPhpCgi(), findCommand('python3')];
  const slow = fixture('slow-answer.py');
  const [phpKinds, pythonKinds] = [
    (program: readonly string[]): DeployKind[] => [
      {
        what: 'php-cgi',
        program,
        ways: [...usual, { name: 'php-fpm', contender: contenders.reloadedFpm() }],
      },
      {
        what: 'php-cgi, one by one; process_control_timeout',
        program,
        ways: [oneByOne, { name: 'php-fpm', contender: contenders.reloadedFpm('10s') }],
      },
    ],
    (program: readonly string[]): DeployKind[] => [
      { what: 'Python, TERM at its default', program, ways: usual },
      { what: 'Python, one by one', program, ways: [oneByOne] },
    ],
  ];
  return [
    ...(php === undefined ? [] : phpKinds([php])),
    ...(python === undefined ? [] : pythonKinds([python, slow])),
  ];
}
