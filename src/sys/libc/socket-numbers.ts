// Families, types, levels, options and flags of sockets that several files name (the same on x86-64 and arm64).

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_DETACH_FILTER = 27;
export const SO_ATTACH_FILTER = 26;
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
