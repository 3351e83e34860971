/* The disk under the store, with faults. LMDB is compiled a second time for the simulation with its writes and syncs
 * redirected to faults_*; they go to the real file, and what was written since the last sync is remembered with the
 * bytes that stood there before. So at any moment the file can be had as a power cut would leave it: every 512-byte
 * sector written since the last sync either old or new. Thread-safe: the writer thread writes, the test arms. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* What LMDB calls (build.zig defines pwrite as faults_pwrite, and so on). */
ssize_t faults_pwrite(int fd, const void *bytes, size_t size, off_t offset);
ssize_t faults_writev(int fd, const struct iovec *parts, int count);
int faults_fdatasync(int fd);

/* The n-th operation from now (write or sync) is preceded by a power cut: a copy of the file as it would be found
 * afterwards is written to image_path; the program itself goes on. 0 disarms. */
void faults_cut_power(uint64_t nth, uint64_t seed, const char *image_path);
/* Whether the image was written since it was armed. */
bool faults_power_was_cut(void);

/* The n-th data write from now fails with this errno; 0 as errno: it is cut short. Syncs and the final page of a commit
 * are left alone: after those LMDB must be reopened, which kill -9 and power cuts show. 0 disarms. */
void faults_fail_write(uint64_t nth, int error_number);

/* The planted bug that the simulation must find: syncs that do nothing. */
void faults_lie_about_syncs(bool lie);

/* Forgets everything, for the next file. */
void faults_reset(void);
