// The ways to reach a pool; what holds for the one has to hold for the other.
export const transports = ['TCP', 'a Unix socket'] as const;
export type Transport = (typeof transports)[number];
