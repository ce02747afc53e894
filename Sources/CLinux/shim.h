#ifndef LATCHKEY_CLINUX_SHIM_H
#define LATCHKEY_CLINUX_SHIM_H

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"

/// Forbids core dumps and ptrace by others. Swift cannot call the variadic `prctl`.
static inline int clinux_forbid_dumps(void) { return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

/// Whether the process may be dumped: 0 after `clinux_forbid_dumps`.
static inline int clinux_dumpable(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0); }

/// Adds or changes a descriptor of an epoll set; `token` comes back with its events.
static inline int clinux_epoll_set(int set, int operation, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event;
  event.events = events;
  event.data.u64 = token;
  return epoll_ctl(set, operation, fd, &event);
}

/// Removes a descriptor from an epoll set.
static inline int clinux_epoll_remove(int set, int fd) {
  struct epoll_event unused = {0};
  return epoll_ctl(set, EPOLL_CTL_DEL, fd, &unused);
}

/// Names the calling thread (15 bytes at most), keeps all signals away from it, returns its number.
static inline int clinux_become_quiet_thread(const char *name) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, NULL);
  prctl(PR_SET_NAME, name, 0, 0, 0);
  return (int)syscall(SYS_gettid);
}

/// Columns of the terminal behind a descriptor, 0 when it is none. Swift cannot call the variadic
/// `ioctl`.
static inline int clinux_terminal_columns(int descriptor) {
  struct winsize size;
  return ioctl(descriptor, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/// How many processors this process may run on; 0 when the kernel does not say. `cpu_set_t` is for
/// GNU programs only.
static inline int clinux_usable_processors(void) {
  unsigned long mask[128] = {0};
  long bytes = syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask);
  int count = 0;
  for (long word = 0; word < bytes / (long)sizeof(mask[0]); word++) count += __builtin_popcountl(mask[word]);
  return count;
}

/// Bytes that were written to a TCP socket and that its peer has not confirmed; -1 with errno.
/// Swift cannot call the variadic `ioctl`.
static inline int clinux_unconfirmed(int socket) {
  int bytes = 0;
  return ioctl(socket, SIOCOUTQ, &bytes) < 0 ? -1 : bytes;
}

#endif
