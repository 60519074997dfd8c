/* A disk that misbehaves on command, for one process and the files under one directory.
 *
 * Preloaded before libc; without SHIM_ROOT in the environment it passes everything through. With it:
 *   SHIM_TRACE=path     append every write, sync, truncation, creation, removal and renaming to a log, in the order
 *                       in which they took effect (one lock around both)
 *   SHIM_KILL_AT=n      at the n-th write, write only a part of it and die by SIGKILL
 *   SHIM_KILL_PART=p    that part, in 256ths
 *   SHIM_EIO_AT=n       the n-th sync fails with EIO, and nothing is synced; ROOT/failed then holds what it was of
 *   SHIM_EIO_PERMILLE=p each sync fails with this probability instead; SHIM_SEED makes it repeatable
 * While the file ROOT/full exists, a write that would lengthen a file fails with ENOSPC; ROOT/acks, which stands for
 * the clients, is spared.
 * SQLite's -shm index and the lock file are no part of what a disk keeps and are left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static long writes, syncs;
static unsigned long long dice;
static int trace_fd = -1;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static long number(const char *name) {
  const char *value = getenv(name);
  return value ? atol(value) : 0;
}

static int ends(const char *text, const char *tail) {
  size_t n = strlen(text), m = strlen(tail);
  return n >= m && !strcmp(text + n - m, tail);
}

static int watched(const char *path) {
  const char *root = getenv("SHIM_ROOT");
  return root && !strncmp(path, root, strlen(root)) && !ends(path, "-shm") && !ends(path, ".lock") &&
         !ends(path, " (deleted)");
}

static int path_of(int fd, char *path) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, PATH_MAX - 1);
  if (n < 0) return 0;
  path[n] = 0;
  return watched(path);
}

static void put(const void *data, size_t n) { syscall(SYS_write, trace_fd, data, n); }

/* One entry: kind, lengths of path and data, offset; then the path and the data. */
static void note(char kind, const char *path, uint64_t offset, const void *data, uint32_t length) {
  const char *to = getenv("SHIM_TRACE");
  if (!to) return;
  if (trace_fd < 0)
    trace_fd = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  struct { uint8_t kind; uint16_t path; uint32_t data; uint64_t offset; } __attribute__((packed)) head = {
      kind, strlen(path), length, offset};
  put(&head, sizeof head);
  put(path, head.path);
  if (data) put(data, length);
}

static int full(int fd, uint64_t end, const char *path) {
  char flag[PATH_MAX];
  struct stat st;
  snprintf(flag, sizeof flag, "%s/full", getenv("SHIM_ROOT"));
  return !ends(path, "/acks") && !access(flag, F_OK) && (fstat(fd, &st) || end > (uint64_t)st.st_size);
}

static ssize_t write_at(int fd, const void *data, size_t n, off64_t offset, const char *path) {
  if (full(fd, offset + n, path)) {
    errno = ENOSPC;
    return -1;
  }
  if (++writes == number("SHIM_KILL_AT")) {
    syscall(SYS_pwrite64, fd, data, n * number("SHIM_KILL_PART") / 256, offset);
    kill(getpid(), SIGKILL);
  }
  ssize_t done = syscall(SYS_pwrite64, fd, data, n, offset);
  if (done > 0) note('w', path, offset, data, done);
  return done;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t offset) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return syscall(SYS_pwrite64, fd, data, n, offset);
  pthread_mutex_lock(&gate);
  ssize_t done = write_at(fd, data, n, offset, path);
  pthread_mutex_unlock(&gate);
  return done;
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset) { return pwrite64(fd, data, n, offset); }

ssize_t write(int fd, const void *data, size_t n) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return syscall(SYS_write, fd, data, n);
  pthread_mutex_lock(&gate);
  int append = fcntl(fd, F_GETFL) & O_APPEND;
  off64_t offset = lseek64(fd, 0, append ? SEEK_END : SEEK_CUR);
  ssize_t done = write_at(fd, data, n, offset, path);
  if (done > 0) lseek64(fd, offset + done, SEEK_SET);
  pthread_mutex_unlock(&gate);
  return done;
}

static int sync_fails(void) {
  long permille = number("SHIM_EIO_PERMILLE");
  if (++syncs == number("SHIM_EIO_AT")) return 1;
  if (!permille) return 0;
  if (!dice) dice = 0x9E3779B97F4A7C15ull ^ number("SHIM_SEED");
  dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
  return (long)(dice % 1000) < permille;
}

static void remember(const char *path) {
  char to[PATH_MAX];
  snprintf(to, sizeof to, "%s/failed", getenv("SHIM_ROOT"));
  int fd = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  syscall(SYS_write, fd, path, strlen(path));
  syscall(SYS_close, fd);
}

static int sync_with(int fd, long call) {
  char path[PATH_MAX];
  struct stat st;
  if (!path_of(fd, path)) return syscall(call, fd);
  pthread_mutex_lock(&gate);
  int result = -1;
  if (sync_fails()) {
    remember(path);
    errno = EIO;
  } else if (!(result = syscall(call, fd)))
    note(!fstat(fd, &st) && S_ISDIR(st.st_mode) ? 'd' : 's', path, 0, 0, 0);
  pthread_mutex_unlock(&gate);
  return result;
}

int fsync(int fd) { return sync_with(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_with(fd, SYS_fdatasync); }

int ftruncate64(int fd, off64_t length) {
  char path[PATH_MAX];
  if (!path_of(fd, path)) return syscall(SYS_ftruncate, fd, length);
  pthread_mutex_lock(&gate);
  int result = syscall(SYS_ftruncate, fd, length);
  if (!result) note('t', path, length, 0, 0);
  pthread_mutex_unlock(&gate);
  return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int unlink(const char *path) {
  pthread_mutex_lock(&gate);
  int result = REAL(unlink)(path);
  if (!result && watched(path)) note('u', path, 0, 0, 0);
  pthread_mutex_unlock(&gate);
  return result;
}

int rename(const char *from, const char *to) {
  pthread_mutex_lock(&gate);
  int result = REAL(rename)(from, to);
  if (!result && watched(from)) note('r', from, 0, to, strlen(to));
  pthread_mutex_unlock(&gate);
  return result;
}

static int open_as(const char *path, int flags, mode_t mode) {
  if (!watched(path)) return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  pthread_mutex_lock(&gate);
  int creates = flags & O_CREAT && access(path, F_OK);
  int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  if (fd >= 0 && creates) note('c', path, 0, 0, 0);
  if (fd >= 0 && flags & O_TRUNC) note('t', path, 0, 0, 0);
  pthread_mutex_unlock(&gate);
  return fd;
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_as(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_as(path, flags, mode);
}
