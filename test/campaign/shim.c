/*
 * Preloaded into the service: makes input and output on the files of one directory fail on demand,
 * records it, and lies about the time of day. shim.ts compiles it, and describes the same layouts.
 *
 * It is steered through a small file that is mapped into the process, so that whoever runs the test
 * can arm a fault or move the clock at any moment and read how many calls there have been. What
 * changes a file goes through one lock, so that the record has the order in which it happened.
 *
 * Every function here stands for the one of the C library and makes the system call itself.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The mapped file. */
struct control {
  uint64_t calls;      /* counted so far: what writes, truncates or syncs a file of the directory */
  uint64_t fault_from; /* the first call that fails; 0: none */
  uint64_t fault_upto; /* the last call that fails */
  uint64_t fault_mode; /* enum mode */
  uint64_t faults;     /* calls that failed */
  int64_t clock_ms;    /* added to the time of day */
  uint64_t recorded;   /* bytes of the record so far */
  uint64_t fault_kind; /* enum kind: what failed last */
  uint64_t fault_inode; /* and on which file */
};

enum mode { FAIL_EIO = 1, FAIL_ENOSPC = 2, SHORT_WRITE = 3, HALF_THEN_KILL = 4, KILL_AFTER = 5 };

/* The head of each entry of the record; its data follow. */
struct entry {
  uint32_t kind; /* enum kind */
  uint32_t length;
  uint64_t inode;
  uint64_t offset;
};

enum kind {
  CREATED = 1,   /* data: the name */
  WRITTEN = 2,   /* data: what, at the offset */
  TRUNCATED = 3, /* offset: the size */
  SYNCED = 4,
  UNLINKED = 5, /* data: the name */
  RENAMED = 6,  /* data: the name before, a zero byte, the name after */
  DIRECTORY_SYNCED = 7,
  REPLIED = 8, /* data: the beginning of an HTTP reply that is about to be sent */
  LINKED = 9,  /* data: as of RENAMED */
};

#define DESCRIPTORS 4096
#define REPLY_BYTES 4096
enum tracked { OTHER = 0, DATA_FILE = 1, DATA_DIRECTORY = 2 };

static struct control nobody;
static struct control *control = &nobody;
static char directory[4096];
static size_t directory_length;
static int record = -1;
static uint8_t tracked[DESCRIPTORS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void start(void) {
  const char *path = getenv("SHIM_CONTROL");
  const char *where = getenv("SHIM_DIRECTORY");
  const char *to = getenv("SHIM_RECORD");
  if (path == NULL || where == NULL) return;
  int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
  void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (fd < 0 || map == MAP_FAILED) abort();
  syscall(SYS_close, fd);
  control = map;
  directory_length = strlen(where);
  if (directory_length >= sizeof directory) abort();
  memcpy(directory, where, directory_length + 1);
  if (to == NULL) return;
  record = syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (record < 0) abort();
}

#define BOOK "vmemd.history.db"

/*
 * The name of a path inside the directory, "" for the directory itself, NULL for any other, and for
 * the book of history: it is derived, so that nothing which is promised depends on its files.
 */
static const char *name_of(const char *path) {
  if (directory_length == 0 || strncmp(path, directory, directory_length) != 0) return NULL;
  if (path[directory_length] == 0) return path + directory_length;
  if (path[directory_length] != '/') return NULL;
  if (strncmp(path + directory_length + 1, BOOK, sizeof BOOK - 1) == 0) return NULL;
  return path + directory_length + 1;
}

static int tracked_as(int fd) {
  return fd >= 0 && fd < DESCRIPTORS ? tracked[fd] : OTHER;
}

static uint64_t inode_of(int fd) {
  struct stat status;
  return syscall(SYS_fstat, fd, &status) == 0 ? status.st_ino : 0;
}

static void note(uint32_t kind, uint64_t inode, uint64_t offset, const void *data, size_t length) {
  if (record < 0) return;
  struct entry head = {kind, length, inode, offset};
  struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
  ssize_t whole = sizeof head + length;
  if (syscall(SYS_writev, record, parts, 2) != whole) abort();
  __atomic_add_fetch(&control->recorded, whole, __ATOMIC_SEQ_CST);
}

/* Counts a call; whether it is to fail, and how. */
static enum mode counted(enum kind kind, int fd) {
  uint64_t call = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
  uint64_t from = __atomic_load_n(&control->fault_from, __ATOMIC_SEQ_CST);
  if (from == 0 || call < from || call > control->fault_upto) return 0;
  control->fault_kind = kind;
  control->fault_inode = inode_of(fd);
  __atomic_add_fetch(&control->faults, 1, __ATOMIC_SEQ_CST);
  return control->fault_mode;
}

static int fails(enum mode mode) {
  if (mode == FAIL_EIO || mode == SHORT_WRITE) errno = EIO;
  if (mode == FAIL_ENOSPC) errno = ENOSPC;
  if (mode == HALF_THEN_KILL) raise(SIGKILL);
  return -1;
}

static ssize_t do_write(int fd, const void *data, size_t length, int64_t offset) {
  pthread_mutex_lock(&lock);
  enum mode mode = counted(WRITTEN, fd);
  ssize_t done;
  if (mode == FAIL_EIO || mode == FAIL_ENOSPC) {
    done = fails(mode);
  } else {
    if (mode == SHORT_WRITE || mode == HALF_THEN_KILL) length = length > 1 ? length / 2 : length;
    if (offset < 0) offset = syscall(SYS_lseek, fd, 0, SEEK_CUR);
    done = syscall(SYS_pwrite64, fd, data, length, offset);
    if (done > 0) note(WRITTEN, inode_of(fd), offset, data, done);
    if (mode == HALF_THEN_KILL || mode == KILL_AFTER) raise(SIGKILL);
  }
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return done;
}

static ssize_t do_write_here(int fd, const void *data, size_t length) {
  int64_t offset = syscall(SYS_lseek, fd, 0, SEEK_CUR);
  ssize_t done = do_write(fd, data, length, offset);
  if (done > 0) syscall(SYS_lseek, fd, offset + done, SEEK_SET);
  return done;
}

/* Many buffers become one, because a record of half a call would be a lie. */
static ssize_t do_writev(int fd, const struct iovec *parts, int count, int64_t offset) {
  size_t length = 0;
  for (int i = 0; i < count; i++) length += parts[i].iov_len;
  char *data = malloc(length);
  if (data == NULL) abort();
  size_t at = 0;
  for (int i = 0; i < count; i++) {
    memcpy(data + at, parts[i].iov_base, parts[i].iov_len);
    at += parts[i].iov_len;
  }
  ssize_t done = offset < 0 ? do_write_here(fd, data, length) : do_write(fd, data, length, offset);
  int error = errno;
  free(data);
  errno = error;
  return done;
}

static int do_sync(int fd, long call) {
  int as = tracked_as(fd);
  if (as == OTHER) return syscall(call, fd);
  enum kind kind = as == DATA_FILE ? SYNCED : DIRECTORY_SYNCED;
  pthread_mutex_lock(&lock);
  enum mode mode = counted(kind, fd);
  int result;
  if (mode != 0 && mode != KILL_AFTER) {
    result = fails(mode);
  } else {
    result = syscall(call, fd);
    if (result == 0) note(kind, inode_of(fd), 0, NULL, 0);
    if (mode == KILL_AFTER) raise(SIGKILL);
  }
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

static int do_truncate(int fd, off_t size) {
  if (tracked_as(fd) != DATA_FILE) return syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&lock);
  enum mode mode = counted(TRUNCATED, fd);
  int result;
  if (mode != 0 && mode != KILL_AFTER) {
    result = fails(mode);
  } else {
    result = syscall(SYS_ftruncate, fd, size);
    if (result == 0) note(TRUNCATED, inode_of(fd), size, NULL, 0);
    if (mode == KILL_AFTER) raise(SIGKILL);
  }
  int error = errno;
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

static int do_open(int at, const char *path, int flags, mode_t mode) {
  const char *name = name_of(path);
  if (name == NULL) {
    int fd = syscall(SYS_openat, at, path, flags, mode);
    if (fd >= 0 && fd < DESCRIPTORS) tracked[fd] = OTHER;
    return fd;
  }
  pthread_mutex_lock(&lock);
  int there = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
  int fd = syscall(SYS_openat, at, path, flags, mode);
  int error = errno;
  if (fd >= DESCRIPTORS) abort();
  if (fd >= 0) {
    tracked[fd] = *name == 0 ? DATA_DIRECTORY : DATA_FILE;
    if (!there) note(CREATED, inode_of(fd), 0, name, strlen(name));
    else if (flags & O_TRUNC) note(TRUNCATED, inode_of(fd), 0, NULL, 0);
  }
  pthread_mutex_unlock(&lock);
  errno = error;
  return fd;
}

static int do_unlink(int at, const char *path, int flags) {
  const char *name = name_of(path);
  if (name == NULL) return syscall(SYS_unlinkat, at, path, flags);
  pthread_mutex_lock(&lock);
  int result = syscall(SYS_unlinkat, at, path, flags);
  int error = errno;
  if (result == 0) note(UNLINKED, 0, 0, name, strlen(name));
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

/* Moves a name, or gives a file a second one. */
static int do_rename(long call, enum kind kind, const char *from, const char *to) {
  const char *before = name_of(from);
  const char *after = name_of(to);
  if (before == NULL || after == NULL) return syscall(call, AT_FDCWD, from, AT_FDCWD, to, 0);
  char names[8192];
  size_t length = strlen(before) + 1 + strlen(after);
  if (length >= sizeof names) abort();
  strcpy(names, before);
  strcpy(names + strlen(before) + 1, after);
  pthread_mutex_lock(&lock);
  int result = syscall(call, AT_FDCWD, from, AT_FDCWD, to, 0);
  int error = errno;
  if (result == 0) note(kind, 0, 0, names, length);
  pthread_mutex_unlock(&lock);
  errno = error;
  return result;
}

/* A reply is noted before it is sent: whatever it rests on is in the record by then. */
static void note_reply(const struct iovec *parts, size_t count) {
  static const char status_line[] = "HTTP/1.1 ";
  if (record < 0 || count == 0 || parts[0].iov_len < sizeof status_line - 1) return;
  if (memcmp(parts[0].iov_base, status_line, sizeof status_line - 1) != 0) return;
  char data[REPLY_BYTES];
  size_t length = 0;
  for (size_t i = 0; i < count && length < sizeof data; i++) {
    size_t more = parts[i].iov_len;
    if (more > sizeof data - length) more = sizeof data - length;
    memcpy(data + length, parts[i].iov_base, more);
    length += more;
  }
  pthread_mutex_lock(&lock);
  note(REPLIED, 0, 0, data, length);
  pthread_mutex_unlock(&lock);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return do_open(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return do_open(AT_FDCWD, path, flags, mode);
}

int close(int fd) {
  if (fd >= 0 && fd < DESCRIPTORS) tracked[fd] = OTHER;
  return syscall(SYS_close, fd);
}

ssize_t write(int fd, const void *data, size_t length) {
  if (tracked_as(fd) == DATA_FILE) return do_write_here(fd, data, length);
  struct iovec part = {(void *)data, length};
  note_reply(&part, 1);
  return syscall(SYS_write, fd, data, length);
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset) {
  if (tracked_as(fd) == DATA_FILE) return do_write(fd, data, length, offset);
  return syscall(SYS_pwrite64, fd, data, length, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset) {
  if (tracked_as(fd) == DATA_FILE) return do_write(fd, data, length, offset);
  return syscall(SYS_pwrite64, fd, data, length, offset);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  if (tracked_as(fd) == DATA_FILE) return do_writev(fd, parts, count, -1);
  note_reply(parts, count);
  return syscall(SYS_writev, fd, parts, count);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset) {
  if (tracked_as(fd) == DATA_FILE) return do_writev(fd, parts, count, offset);
  return syscall(SYS_pwritev, fd, parts, count, offset, 0);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset) {
  return pwritev(fd, parts, count, offset);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  note_reply(message->msg_iov, message->msg_iovlen);
  return syscall(SYS_sendmsg, fd, message, flags);
}

int fsync(int fd) {
  return do_sync(fd, SYS_fsync);
}

int fdatasync(int fd) {
  return do_sync(fd, SYS_fdatasync);
}

int ftruncate(int fd, off_t size) {
  return do_truncate(fd, size);
}

int ftruncate64(int fd, off64_t size) {
  return do_truncate(fd, size);
}

int unlink(const char *path) {
  return do_unlink(AT_FDCWD, path, 0);
}

int unlinkat(int at, const char *path, int flags) {
  return do_unlink(at, path, flags);
}

int remove(const char *path) {
  return unlink(path);
}

int rename(const char *from, const char *to) {
  return do_rename(SYS_renameat, RENAMED, from, to);
}

int link(const char *from, const char *to) {
  return do_rename(SYS_linkat, LINKED, from, to);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
  int result = syscall(SYS_clock_gettime, clock, time);
  if (result != 0 || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)) return result;
  int64_t ms = __atomic_load_n(&control->clock_ms, __ATOMIC_SEQ_CST);
  int64_t ns = time->tv_nsec + (ms % 1000) * 1000000;
  int64_t carry = ns < 0 ? -1 : ns / 1000000000;
  time->tv_sec += ms / 1000 + carry;
  time->tv_nsec = ns - carry * 1000000000;
  return 0;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *to) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (to != NULL) *to = now.tv_sec;
  return now.tv_sec;
}
