/* Records the I/O calls of a process on some of its files, and makes one of them fail. To be preloaded.

   A plan is one line in the file that FAULTS_PLAN names, taken up at the first I/O call after it is there:

       PREFIX KIND N RECORD

   From then on the calls on files whose path begins with PREFIX are counted, and the N-th fails in the way of KIND. A
   RECORD other than "-" gets every one of them, and what is written to standard output meanwhile, in the order in
   which they took effect (`tests.disks.recording` reads it): one lock lets them through one by one.

   Only calls that change a disk are looked at. What is written through mmap is not seen: SQLite writes only its
   shared-memory index so, and that one is made anew after a crash. */

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

enum kind {
    NONE = '-',
    KILL_BEFORE = 'b',
    KILL_AFTER = 'a',
    TORN = 't',     /* half written, then killed */
    SHORT = 's',    /* half written, and told so */
    IO_ERROR = 'e',
    NO_SPACE = 'n',
    DYING = 'd',    /* an I/O error, and from then on nothing but I/O errors */
    NO_SYNC = 'f',  /* an I/O error of the N-th fsync: nothing else is counted */
};
enum op { CREATED = 'C', WRITTEN = 'W', SYNCED = 'S', TRUNCATED = 'T', RENAMED = 'R', REMOVED = 'U', SAID = 'M' };

/* What stands before each call in a record, followed by path and data. */
struct entry {
    char op, failed;
    uint16_t path_length;
    uint32_t data_length;
    int64_t at; /* offset of a write, length after a truncation */
};

static pthread_mutex_t one_by_one = PTHREAD_MUTEX_INITIALIZER;
static char prefix[PATH_MAX];
static int armed, record = -1;
static char planned = NONE;
static long fatal, count;

static void arm(void)
{
    char line[2 * PATH_MAX + 64] = "", name[PATH_MAX];
    const char *plan = getenv("FAULTS_PLAN");
    int fd = plan ? (int)syscall(SYS_openat, AT_FDCWD, plan, O_RDONLY | O_CLOEXEC, 0) : -1;
    if (fd < 0)
        return;
    if (syscall(SYS_read, fd, line, sizeof line - 1) > 0 &&
        sscanf(line, "%4095s %c %ld %4095s", prefix, &planned, &fatal, name) == 4) {
        if (strcmp(name, "-"))
            record = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        armed = 1;
    }
    syscall(SYS_close, fd);
}

static int watched(const char *path)
{
    int before = errno;
    pthread_mutex_lock(&one_by_one);
    if (!armed)
        arm();
    pthread_mutex_unlock(&one_by_one);
    errno = before;
    return armed && !strncmp(path, prefix, strlen(prefix));
}

/* The file's name as it is now, also after a rename. */
static const char *path_of(int fd, char *path)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
    return path;
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static char begin(enum op op)
{
    pthread_mutex_lock(&one_by_one);
    int counts = planned == NO_SYNC ? op == SYNCED : op != SAID;
    int due = counts && (++count == fatal || (planned == DYING && count > fatal));
    if (due && planned == KILL_BEFORE)
        die();
    return due ? planned : NONE;
}

static int refused(char kind)
{
    errno = kind == NO_SPACE ? ENOSPC : EIO;
    return kind == IO_ERROR || kind == NO_SPACE || kind == DYING || kind == NO_SYNC;
}

static size_t cut(char kind, size_t length)
{
    return kind == TORN || kind == SHORT ? (length + 1) / 2 : length;
}

static void end(char kind, enum op op, const char *path, int64_t at, const void *data, size_t length, long result)
{
    int before = errno;
    if (op == WRITTEN || op == SAID)
        length = result < 0 ? 0 : result;
    struct entry entry = {op, result < 0, strlen(path), length, at};
    if (record >= 0) {
        syscall(SYS_write, record, &entry, sizeof entry);
        syscall(SYS_write, record, path, entry.path_length);
        syscall(SYS_write, record, data, entry.data_length);
    }
    if (kind == KILL_AFTER || kind == TORN)
        die();
    pthread_mutex_unlock(&one_by_one);
    errno = before;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WATCHED(op, path, at, data, length, call)           \
    ({                                                      \
        char kind = begin(op);                              \
        long result = refused(kind) ? -1 : (call);          \
        end(kind, op, path, at, data, length, result);      \
        result;                                             \
    })

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    struct stat found;
    int exists = syscall(SYS_newfstatat, AT_FDCWD, path, &found, 0) == 0;
    enum op op = exists ? TRUNCATED : CREATED;
    if (!watched(path) || (exists ? !(flags & O_TRUNC) : !(flags & O_CREAT)))
        return REAL(open64)(path, flags, mode);
    return WATCHED(op, path, 0, "", 0, REAL(open64)(path, flags, mode));
}

ssize_t write(int fd, const void *data, size_t length)
{
    char path[PATH_MAX];
    if (fd == STDOUT_FILENO && armed && record >= 0)
        return WATCHED(SAID, "", 0, data, length, REAL(write)(fd, data, length));
    if (!watched(path_of(fd, path)))
        return REAL(write)(fd, data, length);
    return WATCHED(WRITTEN, path, lseek(fd, 0, SEEK_CUR), data, length, REAL(write)(fd, data, cut(kind, length)));
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at)
{
    char path[PATH_MAX];
    if (!watched(path_of(fd, path)))
        return REAL(pwrite64)(fd, data, length, at);
    return WATCHED(WRITTEN, path, at, data, length, REAL(pwrite64)(fd, data, cut(kind, length), at));
}

int fsync(int fd)
{
    char path[PATH_MAX];
    if (!watched(path_of(fd, path)))
        return REAL(fsync)(fd);
    return WATCHED(SYNCED, path, 0, "", 0, REAL(fsync)(fd));
}

int fdatasync(int fd)
{
    char path[PATH_MAX];
    if (!watched(path_of(fd, path)))
        return REAL(fdatasync)(fd);
    return WATCHED(SYNCED, path, 0, "", 0, REAL(fdatasync)(fd));
}

int ftruncate64(int fd, off64_t length)
{
    char path[PATH_MAX];
    if (!watched(path_of(fd, path)))
        return REAL(ftruncate64)(fd, length);
    return WATCHED(TRUNCATED, path, length, "", 0, REAL(ftruncate64)(fd, length));
}

int rename(const char *from, const char *to)
{
    if (!watched(from))
        return REAL(rename)(from, to);
    return WATCHED(RENAMED, from, 0, to, strlen(to), REAL(rename)(from, to));
}

int unlink(const char *path)
{
    struct stat found;
    if (!watched(path) || syscall(SYS_newfstatat, AT_FDCWD, path, &found, AT_SYMLINK_NOFOLLOW))
        return REAL(unlink)(path);
    return WATCHED(REMOVED, path, 0, "", 0, REAL(unlink)(path));
}
