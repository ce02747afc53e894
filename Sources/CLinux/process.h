#ifndef LATCHKEY_CLINUX_PROCESS_H
#define LATCHKEY_CLINUX_PROCESS_H

#include <pthread.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <unistd.h>

/// A descriptor that becomes readable when the process ends; -1 with errno. Swift cannot call the
/// variadic `syscall`.
static inline int clinux_pidfd_open(pid_t process) {
  return (int)syscall(SYS_pidfd_open, process, 0);
}

/// A file in memory that is closed in child processes unless it is given to them; -1 with errno.
static inline int clinux_memory_file(void) {
  return (int)syscall(SYS_memfd_create, "latchkey", 1u /* MFD_CLOEXEC */);
}

// glibc declares these two for GNU programs only; Swift's C importer does not ask for them.
int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
int posix_spawn_file_actions_addchdir_np(posix_spawn_file_actions_t *, const char *);

/// Only the first three descriptors go to the child.
static inline int clinux_spawn_close_others(posix_spawn_file_actions_t *actions) {
  return posix_spawn_file_actions_addclosefrom_np(actions, 3);
}

/// The child's working directory.
static inline int clinux_spawn_directory(posix_spawn_file_actions_t *actions, const char *path) {
  return posix_spawn_file_actions_addchdir_np(actions, path);
}

#endif
