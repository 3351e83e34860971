/* One file is watched at a time: the one last written to. Pre-images are kept until the sync that makes their writes
 * durable. The last page of a commit, the meta page, is written through a descriptor with O_DSYNC, so it is durable at
 * once (but what came before it only if it was synced: that order is what a lying sync breaks). */
#include "sim/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"

#define SECTOR_SIZE ((size_t)512)

/* A write since the last sync. */
struct unsynced {
    struct unsynced *before;
    off_t offset;
    size_t size;
    size_t old_size; /* less than size where the file grew */
    uint8_t old[];
};

static struct {
    pthread_mutex_t mutex;
    struct unsynced *newest;
    uint64_t cut_countdown, fail_countdown;
    int fail_errno;
    struct prng prng;
    char image_path[4096];
    bool cut, lie;
} faults = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static void forget(void)
{
    while (faults.newest != NULL) {
        struct unsynced *write = faults.newest;
        faults.newest = write->before;
        free(write);
    }
}

static void remember(int fd, size_t size, off_t offset)
{
    struct unsynced *write = malloc(sizeof *write + size);
    REQUIRE(write != NULL);
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int reading = open(path, O_RDONLY | O_CLOEXEC);
    REQUIRE(reading >= 0);
    ssize_t got = pread(reading, write->old, size, offset);
    close(reading);
    REQUIRE(got >= 0);
    write->offset = offset;
    write->size = size;
    write->old_size = (size_t)got;
    write->before = faults.newest;
    faults.newest = write;
}

/* --- the power cut --- */

static void copy_file(int from, int to)
{
    static uint8_t block[1 << 16];
    ssize_t got;
    for (off_t offset = 0; (got = pread(from, block, sizeof block, offset)) > 0; offset += got)
        REQUIRE(pwrite(to, block, (size_t)got, offset) == got);
    REQUIRE(got == 0);
}

/* Newest first, so that a sector written twice may have any of its three contents. */
static void undo_some(int image)
{
    static const uint8_t zeros[SECTOR_SIZE];
    uint64_t keep = prng_below(&faults.prng, 4); /* of four: none, some, most, all reach the disk */
    for (const struct unsynced *write = faults.newest; write != NULL; write = write->before) {
        for (size_t at = 0; at < write->size; at += SECTOR_SIZE) {
            size_t size = write->size - at < SECTOR_SIZE ? write->size - at : SECTOR_SIZE;
            if (prng_below(&faults.prng, 3) < keep)
                continue;
            const uint8_t *old = at < write->old_size ? write->old + at : zeros;
            if (at < write->old_size && at + size > write->old_size)
                size = write->old_size - at;
            REQUIRE(pwrite(image, old, size, write->offset + (off_t)at) == (ssize_t)size);
        }
    }
}

static void write_image(int fd)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    int image = open(faults.image_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    REQUIRE(file >= 0 && image >= 0);
    copy_file(file, image);
    undo_some(image);
    close(file);
    close(image);
    faults.cut = true;
}

static void maybe_cut(int fd)
{
    if (faults.cut_countdown != 0 && --faults.cut_countdown == 0)
        write_image(fd);
}

/* --- what LMDB calls --- */

static bool is_synchronous(int fd)
{
    return (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
}

/* True when this data write is to fail; *size is what still gets through. */
static bool must_fail(size_t *size)
{
    if (faults.fail_countdown == 0 || --faults.fail_countdown != 0)
        return false;
    *size = *size / 2 / SECTOR_SIZE * SECTOR_SIZE;
    return true;
}

/* The real disk need not be waited for. */
static ssize_t write_meta(int fd, const void *bytes, size_t size, off_t offset)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    REQUIRE(file >= 0);
    ssize_t result = pwrite(file, bytes, size, offset);
    close(file);
    return result;
}

static ssize_t write_at(int fd, const void *bytes, size_t size, off_t offset)
{
    pthread_mutex_lock(&faults.mutex);
    maybe_cut(fd);
    bool synchronous = is_synchronous(fd);
    size_t through = size;
    bool failing = !synchronous && must_fail(&through);
    if (!synchronous)
        remember(fd, through, offset);
    ssize_t result = synchronous ? write_meta(fd, bytes, size, offset) : pwrite(fd, bytes, through, offset);
    int error = failing ? faults.fail_errno : errno;
    if (failing && faults.fail_errno != 0)
        result = -1;
    pthread_mutex_unlock(&faults.mutex);
    errno = error;
    return result;
}

ssize_t faults_pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return write_at(fd, bytes, size, offset);
}

ssize_t faults_writev(int fd, const struct iovec *parts, int count)
{
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t total = 0;
    for (int i = 0; i < count; i++) {
        ssize_t written = write_at(fd, parts[i].iov_base, parts[i].iov_len, offset + total);
        if (written < 0)
            return -1;
        total += written;
        if ((size_t)written < parts[i].iov_len)
            break;
    }
    return total;
}

int faults_fdatasync(int fd)
{
    pthread_mutex_lock(&faults.mutex);
    maybe_cut(fd);
    if (!faults.lie)
        forget();
    pthread_mutex_unlock(&faults.mutex);
    return 0; /* the simulation's disk needs no real sync */
}

/* --- arming --- */

void faults_cut_power(uint64_t nth, uint64_t seed, const char *image_path)
{
    pthread_mutex_lock(&faults.mutex);
    faults.cut_countdown = nth;
    faults.cut = false;
    prng_seed(&faults.prng, seed);
    (void)snprintf(faults.image_path, sizeof faults.image_path, "%s", image_path != NULL ? image_path : "");
    pthread_mutex_unlock(&faults.mutex);
}

bool faults_power_was_cut(void)
{
    pthread_mutex_lock(&faults.mutex);
    bool cut = faults.cut;
    pthread_mutex_unlock(&faults.mutex);
    return cut;
}

void faults_fail_write(uint64_t nth, int error_number)
{
    pthread_mutex_lock(&faults.mutex);
    faults.fail_countdown = nth;
    faults.fail_errno = error_number;
    pthread_mutex_unlock(&faults.mutex);
}

void faults_lie_about_syncs(bool lie)
{
    pthread_mutex_lock(&faults.mutex);
    faults.lie = lie;
    pthread_mutex_unlock(&faults.mutex);
}

void faults_reset(void)
{
    pthread_mutex_lock(&faults.mutex);
    forget();
    faults.cut_countdown = faults.fail_countdown = 0;
    faults.cut = faults.lie = false;
    pthread_mutex_unlock(&faults.mutex);
}
