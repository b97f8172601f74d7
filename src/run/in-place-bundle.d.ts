// Set by the build. True in dist/in-place.cjs: the command reduced to `-n` in 1.6's sense, which has no supervisor, is
// half the size and so loads faster. bin/spawn-fcgi takes it where the command line looks like that; what turns out to
// be something else is left to the whole one, which is loaded then.
declare const isInPlaceBundle: boolean;
/** Given by bin/spawn-fcgi to what it loads. */
declare function leaveToWholeBundle(): void;
