// What a PID file says that could not be removed: nobody has this PID.

/**
 * One above the kernel's PID_MAX_LIMIT. An empty file would say less: `[ -e /proc/$(cat FILE) ]` is true with it, `kill -0`
 * complains of its usage, and it is no number.
 */
export const noProcess = 4_194_305;
