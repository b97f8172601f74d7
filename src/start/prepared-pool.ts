// What a start has in hand when only the workers are missing, by the steps that made it: each model has what its plan gives.
import type { WithAttributes } from './steps/allow-attributes.ts';
import type { Asked } from './steps/ask-ahead.ts';
import type { Rebindable } from './source/bind-socket.ts';
import type { Claimed, Predecessor } from './steps/claim-place.ts';
import type { Entered } from './steps/drop-privileges.ts';
import type { Place } from './steps/find-place.ts';
import type { Managed } from './steps/open-manager.ts';
import type { Logged } from './steps/open-event-log.ts';
import type { Nowhere } from './steps/open-nowhere.ts';
import type { WithOutput } from './steps/open-output.ts';
import type { WithStatusSocket } from './steps/open-status-socket.ts';
import type { WithPidFile, WithWorkerPidFiles } from './steps/open-pid-files.ts';
import type { OomScored, Users } from './steps/resolve-users.ts';
import type { Foreseen, Owned } from './steps/socket-owner.ts';
import type { Listening } from './source/socket-source.ts';
import type { Given } from './start-given.ts';

/** The process becomes the program. */
export type InPlaceStart = Given & WithAttributes & Listening & Foreseen;

/** Workers that nobody looks after. */
export type UnsupervisedStart = Given & WithAttributes & Nowhere & Claimed & WithPidFile & Listening;

/** Of a pool with a supervisor, in the background or the foreground. */
export type PreparedPool = UnsupervisedStart &
  Users &
  OomScored &
  Place &
  Predecessor &
  Managed &
  WithWorkerPidFiles &
  Logged &
  WithOutput &
  WithStatusSocket &
  Owned &
  Asked &
  Entered &
  Rebindable;
